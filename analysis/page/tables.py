"""The tables of a report: the best trials, health findings by check, failures by reason, and where it all came from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.experiment import Experiment
from analysis.page.blocks import Commands, Facts, Table
from analysis.page.drawing import aligned, number
from trainables.files import trial_folder
from trainables.settings import plain

TOP = 10


def top(experiment: Experiment) -> pd.DataFrame:
    """The best trials, the best first: `value`, `epoch`, `feasible`, `status`, `seconds`, `settings`."""
    best = experiment.ranked[:TOP]
    frame = experiment.trials.loc[best, ["value", "best_epoch", "feasible", "status", "seconds"]]
    frame["feasible"] = frame["feasible"].astype(bool)
    settings = pd.Series([dict(experiment.settings.loc[trial].dropna()) for trial in best], index=best, dtype=object)
    return frame.rename(columns={"best_epoch": "epoch"}).assign(settings=settings)


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
    kinds = failed["example"].map(lambda said: re.sub(r"\d[\d.,e+-]*", "…", str(said)))
    numbered = failed.assign(trial=[int(each) for each in failed.index])
    table = numbered.groupby(kinds).agg(trials=("trial", list), example=("example", "first"))
    return table.sort_values("trials", key=lambda trials: -trials.str.len(), kind="stable").reset_index(drop=True)


def top_table(experiment: Experiment) -> Table:
    """The best trials below the default, with a column per setting in which one of them differs from it."""
    best, objective = list(top(experiment).index), experiment.objective
    names = [name for name in map(str, experiment.settings) if any(_differs(experiment, each, name) for each in best)]
    metrics = list(dict.fromkeys([*(goal.metric for goal in objective.goals), *objective.constraints]))
    fixed = ("trial", *metrics, "epoch", "feasible", "seconds")
    trials = best if experiment.default is None or 0 in best else [0, *best]
    known = experiment.trials.loc[trials]
    columns = [
        ["default" if trial == 0 else f"#{trial}" for trial in trials],
        *(aligned(known[metric]) for metric in metrics),
        [number(epoch) for epoch in known["best_epoch"]],
        ["yes" if feasible else "no" for feasible in known["feasible"]],
        [number(seconds, 3) for seconds in known["seconds"]],
        *([_cell(experiment, trial, name) for trial in trials] for name in names),
    ]
    numbers = frozenset({*fixed, *names} - {"trial", "feasible"})
    strong = frozenset(trials.index(trial) for trial in best[:1])
    note = (
        "“=” is the default's value, “–” a setting that does not apply. Ranked by validation on one seed, after "
        "choosing among many: neighbours in this list may well change places."
    )
    return Table((*fixed, *names), tuple(zip(*columns, strict=True)), numbers, strong=strong, note=note)


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
    """How to run it again, go on, and use what came out."""
    run, name = shown_path(experiment.path), shlex.quote(experiment.name)
    again = _search_command(experiment.environment.get("command"))
    lines = [("the same search again", again)] if again else []
    lines += [
        ("go on, or change the budget", f"python -m search.run resume={run}"),
        ("the ranking, as a file", f"python -m analysis.best run={run}"),
        ("is the best really better?", retrain_command(experiment)),
        ("the best trial, to use", f"python -m analysis.export run={run} to=export/{name}"),
        ("train it in full", f"python -m trainables.train config=export/{name}/config.yaml"),
    ]
    return Commands(tuple(lines))


def retrain_command(experiment: Experiment) -> str:
    """The command that proves the best over fresh seeds."""
    return f"python -m analysis.retrain run={shown_path(experiment.path)} top=3 seeds=5"


def shown_path(path: Path) -> str:
    """A path as one would type it from here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def pointed_at(experiment: Experiment, trials: Iterable[int]) -> dict[int, str]:
    """What is known of trials, a few lines each: status, best epoch, settings."""
    known = [trial for trial in sorted(set(trials)) if trial in experiment.trials.index]
    rows = experiment.trials.loc[known, ["status", "value", "best_epoch", "reason"]]
    settings = experiment.settings.reindex(known).to_dict("index")
    texts = {}
    for trial, status, value, epoch, reason in rows.itertuples(name=None):
        result = f"{number(value)} at epoch {number(epoch)}" if pd.notna(value) else str(reason or "no result")[:120]
        pairs = [f"{name} {_plain(each)}" for name, each in settings[trial].items() if pd.notna(each)]
        lines = [" · ".join(pairs[first : first + 3]) for first in range(0, len(pairs), 3)]
        texts[int(trial)] = "\n".join([f"#{trial} · {status} · {result}", *lines])
    return texts


def _differs(experiment: Experiment, trial: int, name: str) -> bool:
    value = experiment.settings[name][trial]
    return bool(pd.notna(value)) and not _same(getattr(experiment.space.config({}), name, None), value)


def _cell(experiment: Experiment, trial: int, name: str) -> str:
    """A setting of a trial beside the default's."""
    value = experiment.settings[name][trial]
    if pd.isna(value):
        return "–"
    return _plain(value) if trial == 0 or _differs(experiment, trial, name) else "="


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return bool(old == new)
    return plain(old) == plain(new)


def _plain(value: Any) -> str:
    return number(float(value), 4) if isinstance(value, float) else plain(value)


def _pairs(values: Any) -> str:
    return ", ".join(f"{name}={plain(value)}" for name, value in values.items() if value not in (None, ""))


def _search_command(recorded: Any) -> str | None:
    """The recorded command as one types it; a word without = belongs to the value before it."""
    if not isinstance(recorded, str) or "search" not in recorded.partition(" ")[0]:
        return None
    words: list[str] = []
    for word in recorded.split(" ")[1:]:
        if "=" in word or not words:
            words.append(word)
        else:
            words[-1] += f" {word}"
    return " ".join(["python -m search.run", *(_quoted(word) for word in words)])


def _quoted(word: str) -> str:
    name, _, value = word.partition("=")
    return word if shlex.quote(value) == value else shlex.quote(f"{name}={value}")
