"""The other tables of a page: health findings by check, failures by reason, provenance, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Commands, Facts, Table
from analysis.page.drawing import format_number
from analysis.questions.answer import proof_command, quote_path, quote_word
from analysis.questions.effort import damaged_folders
from analysis.questions.leaders import WINNER, describe_exclusion, name_leaders
from analysis.wording import strip_numbers
from trainables.failures import name_failure_file
from trainables.files import trial_folder
from trainables.settings import format_value
from trainables.trust import allow_command


def group_findings(experiment: Experiment) -> pd.DataFrame:
    """Group health findings by check, the commonest first: `trials`, `share` of trials, `first_epoch`, `message`."""
    findings = experiment.findings
    if findings.empty:
        return pd.DataFrame(columns=["trials", "share", "first_epoch", "message"])
    by_check = findings.sort_values(["epoch", "trial"], kind="stable").groupby("check")
    table = by_check.agg(trials=("trial", "nunique"), first_epoch=("epoch", "min"), message=("message", "first"))
    table.insert(1, "share", table["trials"] / max(1, len(experiment.trials)))
    return table.sort_values("trials", ascending=False, kind="stable")


def group_failures(experiment: Experiment) -> pd.DataFrame:
    """Group failed trials by reason, the commonest first: `trials`, a list of numbers; `example`, the first reason.

    Reasons that differ only in their numbers count as one.
    """
    failed = experiment.failures.assign(example=experiment.failures["reason"].fillna("no reason is recorded"))
    if failed.empty:
        return pd.DataFrame(columns=["trials", "example"])
    kinds = failed["example"].map(strip_numbers)
    with_numbers = failed.assign(trial=[int(trial) for trial in failed.index])
    table = with_numbers.groupby(kinds).agg(trials=("trial", list), example=("example", "first"))
    return table.sort_values("trials", key=lambda trials: -trials.str.len(), kind="stable").reset_index(drop=True)


def findings_table(experiment: Experiment) -> Table:
    """Build the table of `group_findings`."""
    rows = [
        (
            str(check),
            f"{row['trials']:,}",
            f"{row['share']:.0%}",
            format_number(row["first_epoch"]),
            str(row["message"]),
        )
        for check, row in group_findings(experiment).iterrows()
    ]
    columns = ("check", "trials", "share", "first at epoch", "example, with the remedy")
    return Table(columns, tuple(rows), frozenset(columns[1:4]), frozenset({columns[4]}))


def failures_table(experiment: Experiment) -> Table:
    """Build the table of `group_failures`."""
    rows = []
    for _, row in group_failures(experiment).iterrows():
        trials = row["trials"]
        trials_text = ", ".join(f"#{trial}" for trial in trials[:12]) + (" …" if len(trials) > 12 else "")
        file = name_failure_file(trial_folder(experiment.path, trials[0]))
        rows.append((str(row["example"]), f"{len(trials):,}", trials_text, file))
    columns = ("reason", "trials", "which", "traceback of the first")
    return Table(columns, tuple(rows), frozenset({"trials"}), frozenset({"reason", "which"}))


def provenance_facts(experiment: Experiment) -> Facts:
    """List what a result may depend on besides its settings."""
    environment, space = experiment.environment, experiment.space
    packages = environment.get("packages")
    pairs = packages.items() if isinstance(packages, dict) else ()
    versions = ", ".join(f"{name} {version}" for name, version in pairs if version)
    devices = environment.get("devices") or []
    facts = {
        "run": str(experiment.path),
        "started": environment.get("created"),
        "commit": environment.get("commit"),
        "python": environment.get("python"),
        "packages": versions,
        "machine": environment.get("platform"),
        "CPUs": environment.get("cpus"),
        "GPUs": ", ".join(map(str, devices)) if isinstance(devices, list) else devices,
        "seed": experiment.run.get("seed"),
        "objective": ", ".join(f"{goal.mode} {goal.metric}" for goal in space.objective.goals),
        "constraints": ", ".join(f"{metric} ≤ {bound:g}" for metric, bound in space.objective.constraints.items()),
        "budget": ", ".join(f"{name}={format_value(value)}" for name, value in space.budget.as_dict().items()),
        "scheduler, searcher": f"{space.scheduler.kind}, {space.searcher.kind}",
        "data": _format_pairs(space.data.as_dict()),
        "fixed": _format_pairs(space.fixed),
        "settings of the run": _format_pairs(experiment.run),
    }
    return Facts({name: str(value) for name, value in facts.items() if value not in (None, "", [])})


def follow_up_commands(experiment: Experiment) -> Commands:
    """List the commands that repeat the search, resume it, and use its result, if there is one."""
    run, folder = quote_path(experiment.path), shlex.quote(f"export/{experiment.name}")
    config = shlex.quote(f"export/{experiment.name}/config.yaml")
    repeat = _search_command(experiment.environment.get("command"))
    lines = [("repeat the search", repeat)] if repeat else []
    allow = allow_command(experiment.space.entry.package)
    if allow:
        lines.append(("first, in a new shell: allow the variant, which is not of the project", allow))
    folders = damaged_folders(experiment)
    condition = f", after moving {', '.join(folders)} out of the folder" if folders else ""
    lines.append((f"resume, or change the budget{condition}", f"python -m search.run resume={run}"))
    if experiment.best is not None:
        lines += [
            ("write the ranking to a file", f"python -m analysis.best run={run}"),
            *proof_commands(experiment, "is the best really better?"),
            (f"export the {_describe_export(experiment)}", f"python -m analysis.export run={run} to={folder}"),
            ("train it in full", f"python -m trainables.train config={config}"),
        ]
    return Commands(tuple(lines))


def proof_commands(experiment: Experiment, purpose: str) -> list[tuple[str, str]]:
    """List the commands that prove the best over fresh seeds, one per goal; none where the default is the best."""
    objective, run = experiment.objective, experiment.path
    if experiment.best == 0 and not experiment.choice:
        return []
    if not objective.is_multi:
        return [(purpose, proof_command(run))]
    return [(f"{purpose} by {goal.metric}", proof_command(run, goal=goal.metric)) for goal in objective.goals]


def hover_texts(experiment: Experiment, trials: Iterable[int]) -> dict[int, str]:
    """Describe trials in a few lines each: status, best epoch, settings."""
    numbers = [trial for trial in sorted(set(trials)) if trial in experiment.trials.index]
    rows = experiment.trials.loc[numbers, ["status", "value", "best_epoch", "reason"]]
    settings = experiment.settings.reindex(numbers).to_dict("index")
    texts = {}
    for trial, status, value, epoch, reason in rows.itertuples(name=None):
        result = (
            f"{format_number(value)} at epoch {format_number(epoch)}"
            if pd.notna(value)
            else str(reason or "no result")[:120]
        )
        pairs = [f"{name} {format_setting(setting)}" for name, setting in settings[trial].items() if pd.notna(setting)]
        result += "".join(f" · {text}" for text in [describe_exclusion(experiment, int(trial))] if text)
        lines = [" · ".join(pairs[first : first + 3]) for first in range(0, len(pairs), 3)]
        texts[int(trial)] = "\n".join([f"#{trial} · {status} · {result}", *lines])
    return texts


def format_setting(value: Any, digits: int = 4) -> str:
    """Format a setting's value in short, a float with so many significant digits."""
    return format_number(value, digits) if isinstance(value, float) else format_value(value)


def _format_pairs(values: Any) -> str:
    return ", ".join(f"{name}={format_value(value)}" for name, value in values.items() if value not in (None, ""))


def _describe_export(experiment: Experiment) -> str:
    """Describe what an export takes without a trial's number."""
    if WINNER in name_leaders(experiment).values():
        return "winner"
    return "chosen trial" if experiment.objective.is_multi and experiment.choice is not None else "best trial"


def _search_command(command: Any) -> str | None:
    """Rebuild the recorded command as one types it, without its name=, which is taken; None without one."""
    if not isinstance(command, str) or "search" not in command.partition(" ")[0]:
        return None
    words: list[str] = []
    for word in command.split(" ")[1:]:
        if "=" in word or not words:
            words.append(word)
        else:
            words[-1] += f" {word}"  # a word without = belongs to the value before it
    return " ".join(["python -m search.run", *(quote_word(word) for word in words if not word.startswith("name="))])
