"""Output of a search on the terminal: the plan before it, and the best-trial card after it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.board import Board
from search.environment import resume_command
from search.record import RunFolder, TrialRecord
from search.request import Request
from search.space import Space
from search.status import clock
from trainables.baselines import Baselines
from trainables.export.folder import read_report
from trainables.files import BEST_WEIGHTS, trial_folder
from trainables.settings import format_value
from trainables.standing import describe_excluded, stage_name, stages_left
from trainables.trust import allow_command

if TYPE_CHECKING:
    from search.placement import Placement


def plan(request: Request, placement: Placement | None) -> str:
    """Write the plan of a run; a dry run also lists dimensions and example configs."""
    space, budget = request.space, request.space.budget
    goals = " and ".join(f"{_verb(goal.mode)} {goal.metric}" for goal in space.objective.goals)
    constraints = "".join(f", keeping {metric} ≤ {bound:g}" for metric, bound in space.objective.constraints.items())
    rungs = {
        "asha": f"at {' and '.join(map(str, budget.rungs))}",
        "median": f"at every epoch from {budget.grace_epochs}",
        "none": "at the end alone",
    }[space.scheduler.kind]
    placement_text = placement or f"placed on the cluster at {request.run.address}"
    cost = f"{budget.trials} trials × ≤ {budget.max_epochs} epochs"
    lines = [
        f"{space.name} · {space.entry.title} · {space.data.source} data    {_relative(request.folder)}",
        f"  {goals}{constraints}",
        *([f"  chosen in the end: {space.objective.rule}"] if space.objective.has_tolerance else []),
        f"  {cost}, compared {rungs} · {placement_text} · default settings go first",
    ]
    outside = space.outside(space.default_params())
    if outside:
        lines.append(f"  the default {', '.join(outside)} lies outside of the space; it is run all the same")
    if not request.run.dry_run:
        return "\n".join([*lines, f"  watch:  {tensorboard_command(request.folder)}"])
    return "\n".join([*lines, *_details(space)])


def card(board: Board, folder: RunFolder) -> str:
    """Write the card of the best trial, or of the front, against the default trial, with the next commands."""
    best = board.best()
    failed = board.failures()
    note = (
        f"    {len(failed)} of {len(board.trials)} failed, see {_relative(folder.path)}/failures.csv" if failed else ""
    )
    environment = sum(trial.cause == "environment" for trial in failed)
    if environment:
        note += f"; the environment failed {environment}: {resume_command(folder.path, retry=True)} runs them again"
    if best is None:
        return f"  no trial has a result.{note}\n" + "".join(
            f"    #{trial.number}: {trial.reason}\n" for trial in failed[:3]
        )
    several = board.space.objective.is_multi
    lines = _front_lines(board, folder) if several else []
    lines = lines or _trial_lines(board, folder.trial(best), "best")
    exclusion_note = describe_excluded(board.compare().excluded)
    notes = [f"    {text}" for text in (board.default_note(), exclusion_note) if text]
    notes += [f"    {line}" for line in _baseline_lines(board, folder)]
    return "\n".join([*lines, *notes, *([note] if note else []), *_next_commands(board.space, folder)])


def describe_interruption(board: Board, out_of_time: bool) -> str:
    """Say how far the run came, and how to resume it."""
    cause = "the time budget is used up" if out_of_time else "interrupted"
    count = board.count("finished", "stopped", "failed")
    return (
        f"  {cause} after {count} of {board.space.budget.trials} trials; nothing is lost.\n"
        f"{_allow_line(board.space)}"
        f"  resume: {resume_command(board.folder.path)}"
    )


def tensorboard_command(folder: Path) -> str:
    """Write the command that shows a run; TensorBoard serves to this machine alone unless it is told otherwise."""
    return f"tensorboard --logdir {_quote(folder)}"


def _details(space: Space) -> list[str]:
    """List the dimensions, the upper bound of the cost, and example configs."""
    budget = space.budget
    lines = ["  searched:"]
    lines += [f"    {dimension.name:<18} {dimension}" for dimension in space.dimensions if space.applies(dimension)]
    lines += ["  fixed:", "    " + "   ".join(f"{name}={format_value(value)}" for name, value in space.fixed.items())]
    lines += [f"  at most {budget.trials * budget.max_epochs} epochs in all", "  for example:"]
    lines += [f"    {_pairs(space.default_params())}   (the default settings, trial 0)"]
    lines += [f"    {_pairs(params)}" for params in space.samples[:3]]
    return lines


def _front_lines(board: Board, folder: RunFolder) -> list[str]:
    """List the trials of the front at their last epoch, the chosen one first; none before a trial has settled."""
    choice, front, rule = board.choice(), board.front(), board.space.objective.rule
    lines = [] if choice is None else [f"  chosen of {len(front)} on the front: #{choice}, {rule}"]
    for number in sorted(front, key=lambda trial: trial != choice):
        lines += _trial_lines(board, folder.trial(number), "chosen" if number == choice else "front")
    return lines


def _trial_lines(board: Board, trial: TrialRecord, name: str) -> list[str]:
    """Describe a trial by the report that stands for it; `name` is its title."""
    space, report = board.space, board.space.objective.standing_report(trial.reports) or {}
    changes = _changes(space, trial.params)
    stage = f" of stage {stage_name(report)}" if stages_left(report, space.budget.max_epochs) else ""
    weights = trial_folder(board.folder.path, trial.number) / BEST_WEIGHTS
    limits = [
        f" · {metric} {report[metric]:.4g} (kept: ≤ {bound:g})"
        for metric, bound in space.objective.constraints.items()
        if report[metric] <= bound
    ]
    problems = [finding["message"] for finding in report.get("findings", [])]
    problems += [f"violates {violation}" for violation in space.objective.describe_violations(report)]
    weights_text = f"{_relative(weights)}{_weights_note(weights, report)}"
    return [
        f"  {name} trial #{trial.number}   {_goal_values(space, report)} at epoch {report['epoch']}{stage}"
        f"        default {_describe_default(board)}",
        f"    {changes or 'the default settings'}",
        f"    health: {'; '.join(problems) or 'fine'}{''.join(limits)}",
        f"    cost {clock(report['time/total_s'])} to that epoch · weights {weights_text}",
    ]


def _describe_default(board: Board) -> str:
    """Write the metrics of the default trial where it may be compared, and what it violates."""
    report = board.standing_report(0) if 0 in board.compare().ranking else None
    if report is None:
        return "none"
    violations = " and ".join(board.space.objective.describe_violations(report))
    return f"{_goal_values(board.space, report)}{f' (violates {violations})' if violations else ''}"


def _goal_values(space: Space, report: Mapping[str, Any]) -> str:
    return "   ".join(f"{goal.metric} {report[goal.metric]:.4g}" for goal in space.objective.goals)


def _weights_note(weights: Path, report: Mapping[str, Any]) -> str:
    """Name the epoch of the weights where it is another: older runs with several goals kept the best by the first."""
    epoch = read_report(weights)["epoch"] if weights.exists() else report["epoch"]
    return f" of epoch {epoch}" if epoch != report["epoch"] else ""


def _baseline_lines(board: Board, folder: RunFolder) -> list[str]:
    """Compare the best trial, or the chosen one, and the default with chance and trivial methods."""
    ranking, objective = board.compare().ranking, board.space.objective
    trial, name = (board.choice(), "chosen trial") if objective.is_multi else (board.best(), "best trial")
    numbers = {"default": 0, **({} if trial in (None, 0) else {name: trial})}
    reports = {
        name: report
        for name, number in numbers.items()
        if number in ranking and (report := board.standing_report(number)) is not None
    }
    return Baselines.read(folder.path).compare(objective, reports)


def _changes(space: Space, params: Mapping[str, Any]) -> str:
    """List the settings that differ from the default, old → new, four to a line."""
    default = space.config({})
    old = {name: getattr(default, name) for name in params}
    changes = [
        f"{name} {format_value(old[name])} → {format_value(new)}" for name, new in params.items() if old[name] != new
    ]
    return "\n    ".join("   ".join(changes[first : first + 4]) for first in range(0, len(changes), 4))


def _allow_line(space: Space) -> str:
    """Write the line that lets later commands read a run of this variant back; empty for the project's own."""
    command = allow_command(space.entry.package)
    return f"  first:  {command}   # runs name your variant, and are read back where it is allowed\n" if command else ""


def _next_commands(space: Space, folder: RunFolder) -> list[str]:
    run = _quote(folder.path)
    to = shlex.quote(f"export/{folder.path.name}")
    return [
        f"{_allow_line(space)}  next:   python -m analysis.report   run={run}",
        f"          python -m analysis.retrain  run={run} top=3 seeds=5     is it really better?",
        f"          python -m analysis.export   run={run} to={to}",
    ]


def _relative(path: Path) -> str:
    """Write a path relative to the working folder, if it lies below it."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _quote(path: Path) -> str:
    """Write a path as one word of a shell."""
    return shlex.quote(_relative(path))


def _pairs(params: Mapping[str, Any]) -> str:
    return "   ".join(f"{name} {format_value(value)}" for name, value in params.items())


def _verb(mode: str) -> str:
    return "maximise" if mode == "max" else "minimise"
