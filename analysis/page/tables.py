"""A report's tables besides its trials: health findings by check, failures by reason, where it all came from."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Commands, Facts, Table
from analysis.page.drawing import number
from analysis.questions.answer import like, quoted, retraining, shown
from analysis.questions.effort import damaged
from analysis.questions.leading import WINNER, standing_out
from trainables.files import trial_folder
from trainables.settings import plain


def findings(experiment: Experiment) -> pd.DataFrame:
    """Health findings by check, the commonest first: `trials`, `share` of all trials, `first_epoch`, `message`."""
    found = experiment.findings
    if found.empty:
        return pd.DataFrame(columns=["trials", "share", "first_epoch", "message"])
    by_check = found.sort_values(["epoch", "trial"], kind="stable").groupby("check")
    table = by_check.agg(trials=("trial", "nunique"), first_epoch=("epoch", "min"), message=("message", "first"))
    table.insert(1, "share", table["trials"] / max(1, len(experiment.trials)))
    return table.sort_values("trials", ascending=False, kind="stable")


def failures(experiment: Experiment) -> pd.DataFrame:
    """Failed trials by reason, the commonest first: `trials`, a list of numbers; `example`, the first one's words.

    Reasons that differ in figures alone are one.
    """
    failed = experiment.failures.assign(example=experiment.failures["reason"].fillna("no reason is recorded"))
    if failed.empty:
        return pd.DataFrame(columns=["trials", "example"])
    kinds = failed["example"].map(like)
    numbered = failed.assign(trial=[int(each) for each in failed.index])
    table = numbered.groupby(kinds).agg(trials=("trial", list), example=("example", "first"))
    return table.sort_values("trials", key=lambda trials: -trials.str.len(), kind="stable").reset_index(drop=True)


def findings_table(experiment: Experiment) -> Table:
    """`findings` as it is shown."""
    rows = [
        (str(check), f"{row['trials']:,}", f"{row['share']:.0%}", number(row["first_epoch"]), str(row["message"]))
        for check, row in findings(experiment).iterrows()
    ]
    columns = ("check", "trials", "share", "first at epoch", "for example, with the remedy")
    return Table(columns, tuple(rows), frozenset(columns[1:4]), frozenset({columns[4]}))


def failures_table(experiment: Experiment) -> Table:
    """`failures` as it is shown."""
    rows = []
    for _, row in failures(experiment).iterrows():
        trials = row["trials"]
        shown = ", ".join(f"#{trial}" for trial in trials[:12]) + (" …" if len(trials) > 12 else "")
        folder = trial_folder(experiment.path, trials[0]).name
        rows.append((str(row["example"]), f"{len(trials):,}", shown, f"{folder}/error.txt"))
    columns = ("reason", "trials", "which", "the first one's traceback")
    return Table(columns, tuple(rows), frozenset({"trials"}), frozenset({"reason", "which"}))


def provenance(experiment: Experiment) -> Facts:
    """What a result may depend on besides its settings."""
    said, space = experiment.environment, experiment.space
    packages = said.get("packages")
    pairs = packages.items() if isinstance(packages, dict) else ()
    versions = ", ".join(f"{name} {each}" for name, each in pairs if each)
    devices = said.get("devices") or []
    facts = {
        "run": str(experiment.path),
        "begun": said.get("created"),
        "commit": said.get("commit"),
        "python": said.get("python"),
        "packages": versions,
        "machine": said.get("platform"),
        "CPUs": said.get("cpus"),
        "GPUs": ", ".join(map(str, devices)) if isinstance(devices, list) else devices,
        "seed": experiment.run.get("seed"),
        "objective": ", ".join(f"{goal.mode} {goal.metric}" for goal in space.objective.goals),
        "constraints": ", ".join(f"{metric} ≤ {bound:g}" for metric, bound in space.objective.constraints.items()),
        "budget": ", ".join(f"{name}={plain(value)}" for name, value in space.budget.as_dict().items()),
        "scheduler, searcher": f"{space.scheduler.kind}, {space.searcher.kind}",
        "data": _pairs(space.data.as_dict()),
        "fixed": _pairs(space.fixed),
        "settings of the run": _pairs(experiment.run),
    }
    return Facts({name: str(value) for name, value in facts.items() if value not in (None, "", [])})


def commands(experiment: Experiment) -> Commands:
    """How to run it again, go on, and use what came out, if anything did."""
    run, folder = shown(experiment.path), shlex.quote(f"export/{experiment.name}")
    config = shlex.quote(f"export/{experiment.name}/config.yaml")
    again = _search_command(experiment.environment.get("command"))
    lines = [("the same search again", again)] if again else []
    away = damaged(experiment)
    aside = f", with {', '.join(away)} out of the folder" if away else ""
    lines.append((f"go on, or change the budget{aside}", f"python -m search.run resume={run}"))
    if experiment.best is not None:
        lines += [
            ("the ranking, as a file", f"python -m analysis.best run={run}"),
            *proving(experiment, "is the best really better?"),
            (
                f"the {_exported(experiment)}, to use",
                f"python -m analysis.export run={run} to={folder}",
            ),
            ("train it in full", f"python -m trainables.train config={config}"),
        ]
    return Commands(tuple(lines))


def proving(experiment: Experiment, purpose: str) -> list[tuple[str, str]]:
    """The commands that prove the best over fresh seeds, one for each goal; none where the default is that."""
    objective, run = experiment.objective, experiment.path
    if experiment.best == 0 and not experiment.chosen:
        return []
    if not objective.several:
        return [(purpose, retraining(run))]
    return [(f"{purpose} by {goal.metric}", retraining(run, goal=goal.metric)) for goal in objective.goals]


def pointed_at(experiment: Experiment, trials: Iterable[int]) -> dict[int, str]:
    """What is known of trials, a few lines each: status, best epoch, settings."""
    known = [trial for trial in sorted(set(trials)) if trial in experiment.trials.index]
    rows = experiment.trials.loc[known, ["status", "value", "best_epoch", "reason"]]
    settings = experiment.settings.reindex(known).to_dict("index")
    texts = {}
    for trial, status, value, epoch, reason in rows.itertuples(name=None):
        result = f"{number(value)} at epoch {number(epoch)}" if pd.notna(value) else str(reason or "no result")[:120]
        pairs = [f"{name} {spelled(each)}" for name, each in settings[trial].items() if pd.notna(each)]
        lines = [" · ".join(pairs[first : first + 3]) for first in range(0, len(pairs), 3)]
        texts[int(trial)] = "\n".join([f"#{trial} · {status} · {result}", *lines])
    return texts


def spelled(value: Any) -> str:
    """A setting's value, short."""
    return number(float(value), 4) if isinstance(value, float) else plain(value)


def _pairs(values: Any) -> str:
    return ", ".join(f"{name}={plain(value)}" for name, value in values.items() if value not in (None, ""))


def _exported(experiment: Experiment) -> str:
    """What an export without a trial's number takes."""
    if WINNER in standing_out(experiment).values():
        return "winner"
    return "chosen trial" if experiment.objective.several and experiment.chosen is not None else "best trial"


def _search_command(recorded: Any) -> str | None:
    """The recorded command as one types it; a word without = belongs to the value before it. Its name is taken."""
    if not isinstance(recorded, str) or "search" not in recorded.partition(" ")[0]:
        return None
    words: list[str] = []
    for word in recorded.split(" ")[1:]:
        if "=" in word or not words:
            words.append(word)
        else:
            words[-1] += f" {word}"
    return " ".join(["python -m search.run", *(quoted(word) for word in words if not word.startswith("name="))])
