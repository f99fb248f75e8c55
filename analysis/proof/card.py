"""Sections of a model card on the evidence for a model: the proof, learning curves over seeds, the test ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.frames.experiment import PROOF_FOLDER, Experiment, load
from analysis.proof import ledger
from analysis.proof.result import describe_role, describe_test, rows_by_trial
from analysis.proof.statistics import describe_gain, mean_interval
from analysis.wording import format_count, format_times
from trainables.measuring.ranges import metric_range

CURVE_ROWS = 10


def sections(search: Experiment, proof: Mapping[str, Any] | None, trial: int) -> dict[str, str]:
    """Return the sections for the model of a trial, as Markdown by title."""
    by_title = {"Is it better than the default?": _describe_proof(search, proof)}
    if proof is not None and trial in rows_by_trial(proof):
        by_title["Learning curves"] = _tabulate_curves(search, proof, trial)
    return {**by_title, "Looks at the test split": _list_looks(search)}


def _describe_proof(search: Experiment, proof: Mapping[str, Any] | None) -> str:
    if proof is None:
        return (
            "Not known: a search sees one seed, and the best of many trials is partly luck. "
            f"`python -m analysis.retrain run={search.path} top=3 seeds=5` finds out."
        )
    metric = proof["metric"]
    rows = [
        f"| {'default' if row['trial'] == 0 else row['trial']} | {_format_mean(metric, row['values'])} | "
        f"{len(row['values'])} | {len(row['failed'])} | {_format_number(row['searched'])} | "
        f"{_format_number(row['optimism'])} |"
        for row in rows_by_trial(proof).values()
    ]
    head = [
        "| trial | mean, 95% interval | seeds | failed | in the search | too good by |",
        "|---|---|---|---|---|---|",
    ]
    seeds = ", ".join(map(str, proof["seeds"]))
    note = f"{metric} over {format_count(proof['epochs'], 'epoch')}, on the validation split; seeds {seeds}."
    return "\n".join([proof["sentence"], "", *_tabulate_goals(proof), note, "", *head, *rows])


def _tabulate_goals(proof: Mapping[str, Any]) -> list[str]:
    """Tabulate the winner against the default in every goal; nothing with a single goal."""
    goals = proof.get("goals") or []
    if len(goals) < 2:
        return []
    rows = [
        f"| {goal['metric']} | {_format_number(goal['winner'])} | {_format_number(goal['default'])} | "
        f"{describe_gain(goal['gain'])} | {describe_role(goal, proof)} |"
        for goal in goals
    ]
    head = ["| goal | winner | default | gain, positive is better | part in the verdict |", "|---|---|---|---|---|"]
    return [*head, *rows, ""]


def _tabulate_curves(search: Experiment, proof: Mapping[str, Any], trial: int) -> str:
    """Tabulate the metric by epoch, mean and range over seeds, of the trial and of the default."""
    trainings = load(search.path / PROOF_FOLDER)
    columns = {"here": trial, "default": 0} if trial else {"default": 0}
    proof_rows = rows_by_trial(proof)
    spans = {}
    for name, number in columns.items():
        numbers = [proof_rows[number]["trainings"][seed] for seed in proof_rows[number]["values"]]
        reports = trainings.reports[trainings.reports["trial"].isin(numbers)]
        by_epoch = reports.groupby("epoch")[proof["metric"]]
        spans[name] = pd.DataFrame({"mean": by_epoch.mean(), "low": by_epoch.min(), "high": by_epoch.max()})
    epochs = sorted(set().union(*(span.index for span in spans.values())))
    row_epochs = {*epochs[:: max(1, -(-len(epochs) // CURVE_ROWS))], epochs[-1]}
    rows = [
        f"| {epoch} | {' | '.join(_format_span(span, epoch) for span in spans.values())} |"
        for epoch in sorted(row_epochs)
    ]
    head = [f"| epoch | {' | '.join(spans)} |", f"|---|{'---|' * len(spans)}"]
    return "\n".join([f"{proof['metric']}: mean (range) over the seeds.", "", *head, *rows])


def _list_looks(search: Experiment) -> str:
    looks = ledger.read_looks(search.path)
    if not looks:
        return "None: the test split of this run has not been looked at."
    rows = [f"- {look['when']}: for {look['for']}; {_format_result(look['result'])}" for look in looks]
    return "\n".join([f"The test split of this run has been looked at {format_times(len(looks))}.", "", *rows])


def _format_result(result: Mapping[str, Any]) -> str:
    """Format the result of a look: the means and the gain for a proof, the metrics for a single model."""
    if "gain" not in result:
        return ", ".join(f"{key} {value:.4g}" for key, value in result.items()) or "no result"
    return f"{describe_test(result)}, means over the seeds"


def _format_mean(metric: str, by_seed: Mapping[str, float]) -> str:
    values = list(by_seed.values())
    if not values:
        return "–"
    interval = mean_interval(values, bounds=metric_range(metric, values))
    if len(values) == 1:  # one seed gives no interval
        return f"{interval.value:.4g}"
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _format_span(span: pd.DataFrame, epoch: int) -> str:
    if epoch not in span.index:
        return "–"
    row = span.loc[epoch]
    return f"{row['mean']:.4g} ({row['low']:.4g} to {row['high']:.4g})"
