"""What a person sees of a search: the plan before, one line during, the best-trial card after."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from search.board import Board
from search.record import RunFolder, TrialRecord
from search.request import Request, Run
from search.space import Space
from trainables.files import BEST_WEIGHTS, trial_folder
from trainables.settings import plain

if TYPE_CHECKING:
    from search.placement import Placement


def plan(request: Request, placement: Placement | None) -> str:
    """What will be run, before anything is; a dry run also lists dimensions and example configs."""
    space, budget = request.space, request.space.budget
    goals = " and ".join(f"{_verb(goal.mode)} {goal.metric}" for goal in space.objective.goals)
    kept = "".join(f", keeping {metric} ≤ {bound:g}" for metric, bound in space.objective.constraints.items())
    compared = {
        "asha": f"at {' and '.join(map(str, budget.rungs))}",
        "median": f"at every epoch from {budget.grace_epochs}",
        "none": "at the end alone",
    }[space.scheduler.kind]
    where = placement or f"placed on the cluster at {request.run.address}"
    cost = f"{budget.trials} trials × ≤ {budget.max_epochs} epochs"
    lines = [
        f"{space.name} · {space.entry.title} · {space.data.source} data    {_shown(request.folder)}",
        f"  {goals}{kept}",
        *([f"  chosen in the end: {space.objective.rule}"] if space.objective.trades else []),
        f"  {cost}, compared {compared} · {where} · default settings go first",
    ]
    outside = space.outside(space.default_params())
    if outside:
        lines.append(f"  the default {', '.join(outside)} lies outside what is searched; it is run all the same")
    if not request.run.dry_run:
        return "\n".join([*lines, f"  watch:  {tensorboard_command(request.folder)}"])
    return "\n".join([*lines, *_details(space)])


class StatusLine:
    """One line about the run: on a terminal it renews itself, in a log there is one a minute."""

    def __init__(self, board: Board, run: Run, began: float) -> None:
        self.board = board
        self.run = run
        self.began = began
        self.terminal = sys.stdout.isatty()
        self.next_line = began
        self.next_table = began + 60
        self.at_start = board.count("finished", "stopped", "failed")

    def tick(self) -> None:
        """Print the line anew, if it is time."""
        now = time.monotonic()
        if self.run.quiet or now < self.next_line:
            return
        self.next_line = now + (0.5 if self.terminal else 60)
        if self.run.table and now >= self.next_table:
            self.next_table = now + 60
            print(f"{self._start()}{table(self.board)}")
        print(self._line(), end="" if self.terminal else "\n", flush=True)

    def text(self) -> str:
        """Trials so far, the best against the default, and the time left."""
        board = self.board
        ended = board.count("finished", "stopped", "failed")
        parts = [f"{ended}/{board.space.budget.trials} trials"]
        if board.count("stopped"):
            parts.append(f"{board.count('stopped')} stopped early")
        if board.failures():
            parts.append(f"{len(board.failures())} failed ({board.failures()[-1].reason})")
        metric, best = board.space.objective.first.metric, board.best()
        if best is not None:
            report, default = board.best_report(best) or {}, board.best_report(0) if 0 in board.trials else None
            against = f" against default {default[metric]:.4g}" if default else ""
            parts.append(f"best {report[metric]:.4g} (#{best}){against}")
        return " · ".join([*parts, self._time_left(ended)])

    def close(self) -> None:
        """Leave the terminal's line as it is and go to the next."""
        if not self.run.quiet:
            print(self._line())

    def _line(self) -> str:
        """The line; on a terminal cut to its width, since one that wraps cannot be wiped."""
        text = f"  {self.text()}"
        return f"{self._start()}{text[: shutil.get_terminal_size().columns - 1]}" if self.terminal else text

    def _start(self) -> str:
        """What begins a line: on a terminal, wiping the one before."""
        return "\r\033[K" if self.terminal else ""

    def _time_left(self, ended: int) -> str:
        spent = time.monotonic() - self.began
        done_here = ended - self.at_start
        waiting = self.board.space.budget.trials - ended
        if waiting <= 0:
            return f"done in {clock(spent)}"
        if done_here == 0:
            return f"{clock(spent)} so far"
        left = spent / done_here * waiting
        if self.run.time_budget_s is not None:
            left = min(left, self.run.time_budget_s - spent)
        return f"about {clock(left)} left"


def table(board: Board, best: int = 5) -> str:
    """The running trials, then the best ones so far: number, state, epoch, objective."""
    running = [number for number, trial in board.trials.items() if not trial.done]
    rows = [f"  {'trial':>7}  {'state':<9} {'epoch':>5}  objective"]
    for number in [*running, *board.ranked()[:best]]:
        report, trial = board.best_report(number), board.trials[number]
        value = "" if report is None else f"{report['objective/value']:.4g} at epoch {report['epoch']}"
        rows.append(f"  {'#' + str(number):>7}  {trial.status:<9} {board.epochs(number):>5}  {value}")
    return "\n".join(rows)


def card(board: Board, folder: RunFolder) -> str:
    """The best trial, or the front, against the default one, what differs, its health, and the next commands."""
    best = board.best()
    failed = board.failures()
    note = f"    {len(failed)} of {len(board.trials)} failed, see {_shown(folder.path)}/failures.csv" if failed else ""
    if best is None:
        return f"  no trial has a result.{note}\n" + "".join(
            f"    #{trial.number}: {trial.reason}\n" for trial in failed[:3]
        )
    several = board.space.objective.several
    lines = _front_lines(board, folder) if several else _trial_lines(board, folder.trial(best), "best")
    return "\n".join([*lines, *([note] if note else []), *_next_commands(folder)])


def interrupted(board: Board, out_of_time: bool) -> str:
    """How to go on."""
    why = "the time budget is used up" if out_of_time else "interrupted"
    ended = board.count("finished", "stopped", "failed")
    return (
        f"  {why} after {ended} of {board.space.budget.trials} trials; nothing is lost.\n"
        f"  go on:  python -m search.run resume={_typed(board.folder.path)}"
    )


def tensorboard_command(folder: Path) -> str:
    """The exact command that shows a run; TensorBoard serves to this machine alone unless it is told otherwise."""
    return f"tensorboard --logdir {_typed(folder)}"


def _details(space: Space) -> list[str]:
    """Dimensions, the upper bound of the cost, and what the first configs would look like."""
    budget = space.budget
    lines = ["  searched:"]
    lines += [f"    {dimension.name:<18} {dimension}" for dimension in space.dimensions if space.applies(dimension)]
    lines += ["  fixed:", "    " + "   ".join(f"{name}={plain(value)}" for name, value in space.fixed.items())]
    lines += [f"  at most {budget.trials * budget.max_epochs} epochs in all", "  for example:"]
    lines += [f"    {_pairs(space.default_params())}   (the default settings, trial 0)"]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    lines += [f"    {_pairs(space.sample(study.ask()))}" for _ in range(3)]
    return lines


def _front_lines(board: Board, folder: RunFolder) -> list[str]:
    """The trials of the front at their last epoch, the chosen one first."""
    chosen, front, rule = board.chosen(), board.front(), board.space.objective.rule
    lines = [] if chosen is None else [f"  chosen of {len(front)} on the front: #{chosen}, {rule}"]
    for number in sorted(front, key=lambda each: each != chosen):
        lines += _trial_lines(board, folder.trial(number), "chosen" if number == chosen else "front")
    return lines


def _trial_lines(board: Board, trial: TrialRecord, name: str) -> list[str]:
    """A trial by the report that it is compared by; `name` is what it is called."""
    space, report = board.space, board.space.objective.compared(trial.reports) or {}
    values = "   ".join(f"{each.metric} {report[each.metric]:.4g}" for each in space.objective.goals)
    default = space.objective.compared(board.trials[0].reports) if 0 in board.trials else None
    against = (
        "   ".join(f"{each.metric} {default[each.metric]:.4g}" for each in space.objective.goals) if default else "none"
    )
    if default and not default["objective/feasible"]:
        against += " (violates a constraint)"
    limits = [
        f"{metric} {report[metric]:.3g} ({'kept' if report[metric] <= bound else 'VIOLATED'}: ≤ {bound:g})"
        for metric, bound in space.objective.constraints.items()
    ]
    changed = _changes(space, trial.params)
    weights = _shown(trial_folder(board.folder.path, trial.number) / BEST_WEIGHTS)
    findings = [finding["message"] for finding in report.get("findings", [])]
    return [
        f"  {name} trial #{trial.number}   {values} at epoch {report['epoch']}        default {against}",
        f"    {changed or 'the default settings'}",
        f"    health: {'; '.join(findings) or 'fine'}{''.join(' · ' + limit for limit in limits)}",
        f"    cost {clock(report['time/total_s'])} to that epoch · weights {weights}",
    ]


def _changes(space: Space, params: Mapping[str, Any]) -> str:
    """The settings that differ from the default, old → new, four to a line."""
    default = space.config({})
    old = {name: getattr(default, name) for name in params}
    changed = [f"{name} {plain(old[name])} → {plain(new)}" for name, new in params.items() if old[name] != new]
    return "\n    ".join("   ".join(changed[first : first + 4]) for first in range(0, len(changed), 4))


def _next_commands(folder: RunFolder) -> list[str]:
    run = _typed(folder.path)
    to = shlex.quote(f"export/{folder.path.name}")
    return [
        f"  next:   python -m analysis.report   run={run}",
        f"          python -m analysis.retrain  run={run} top=3 seeds=5     is it really better?",
        f"          python -m analysis.export   run={run} to={to}",
    ]


def _shown(path: Path) -> str:
    """A path as it is seen from here."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _typed(path: Path) -> str:
    """The same as a shell takes it for one word."""
    return shlex.quote(_shown(path))


def _pairs(params: Mapping[str, Any]) -> str:
    return "   ".join(f"{name} {plain(value)}" for name, value in params.items())


def clock(seconds: float) -> str:
    """Seconds as people read them: 2:28, or 1:02:28."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _verb(mode: str) -> str:
    return "maximise" if mode == "max" else "minimise"
