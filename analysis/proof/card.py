"""How well it is known that a model is good, for its card: the proof, learning curves over seeds, the test ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.frames.experiment import CONFIRMATION, Experiment, load
from analysis.proof import ledger
from analysis.proof.judgement import rows_by_trial, tested_words
from analysis.proof.statistics import mean_interval

CURVE_ROWS = 10


def sections(search: Experiment, proof: Mapping[str, Any] | None, trial: int) -> dict[str, str]:
    """Title → Markdown, for the model of a trial."""
    found = {"Is it better than the default?": _proof(search, proof)}
    if proof is not None and trial in rows_by_trial(proof):
        found["Learning curves"] = _curves(search, proof, trial)
    return {**found, "Looks at the test split": _looks(search)}


def _proof(search: Experiment, proof: Mapping[str, Any] | None) -> str:
    if proof is None:
        return (
            "Not known: a search sees one seed, and the best of many trials is partly luck. "
            f"`python -m analysis.retrain run={search.path} top=3 seeds=5` finds out."
        )
    rows = [
        f"| {'default' if each['trial'] == 0 else each['trial']} | {_mean(each)} | {len(each['values'])} | "
        f"{len(each['failed'])} | {_number(each['searched'])} | {_number(each['optimism'])} |"
        for each in rows_by_trial(proof).values()
    ]
    head = [
        "| trial | mean, 95 % interval | seeds | failed | in the search | too good by |",
        "|---|---|---|---|---|---|",
    ]
    seeds = ", ".join(map(str, proof["seeds"]))
    note = f"{proof['metric']} over {proof['epochs']} epochs, on the validation split; seeds {seeds}."
    return "\n".join([proof["sentence"], "", note, "", *head, *rows])


def _curves(search: Experiment, proof: Mapping[str, Any], trial: int) -> str:
    """The metric by epoch, mean and range over seeds, of the trial and of the default."""
    confirmation = load(search.path / CONFIRMATION)
    columns = {"here": trial, "default": 0} if trial else {"default": 0}
    repeated = rows_by_trial(proof)
    spans = {}
    for name, number in columns.items():
        trainings = [repeated[number]["trainings"][seed] for seed in repeated[number]["values"]]
        reports = confirmation.reports[confirmation.reports["trial"].isin(trainings)]
        by_epoch = reports.groupby("epoch")[proof["metric"]]
        spans[name] = pd.DataFrame({"mean": by_epoch.mean(), "low": by_epoch.min(), "high": by_epoch.max()})
    epochs = sorted(set().union(*(span.index for span in spans.values())))
    shown = epochs[:: max(1, -(-len(epochs) // CURVE_ROWS))]
    rows = [
        f"| {epoch} | {' | '.join(_span(span, epoch) for span in spans.values())} |"
        for epoch in sorted({*shown, epochs[-1]})
    ]
    head = [f"| epoch | {' | '.join(spans)} |", f"|---|{'---|' * len(spans)}"]
    return "\n".join([f"{proof['metric']}: mean (range) over the seeds.", "", *head, *rows])


def _looks(search: Experiment) -> str:
    looks = ledger.looks(search.path)
    if not looks:
        return "None: the test split of this run has not been looked at."
    rows = [f"- {look['when']}: for {look['for']}; {_result(look['result'])}" for look in looks]
    times = "once" if len(looks) == 1 else f"{len(looks)} times"
    return "\n".join([f"The test split of this run has been looked at {times}.", "", *rows])


def _result(result: Mapping[str, Any]) -> str:
    """A look's figures in short: of a proof the means and the gain, of a single model its metrics."""
    if "gain" not in result:
        return ", ".join(f"{key} {value:.4g}" for key, value in result.items()) or "no result"
    return f"{result['metric']} {tested_words(result)}, means over the seeds"


def _mean(each: Mapping[str, Any]) -> str:
    if not each["values"]:
        return "–"
    interval = mean_interval(list(each["values"].values()))
    known = len(each["values"]) > 1
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})" if known else f"{interval.value:.4g}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _span(span: pd.DataFrame, epoch: int) -> str:
    if epoch not in span.index:
        return "–"
    row = span.loc[epoch]
    return f"{row['mean']:.4g} ({row['low']:.4g} to {row['high']:.4g})"
