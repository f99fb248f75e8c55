"""Questions about the strategy of a search: did the rungs predict the end, and did its model beat random sampling?"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from analysis.questions.answer import Outcome, quote_path
from analysis.questions.evidence import Evidence
from analysis.wording import format_count, format_digits, format_share

MIN_TRIALS = 8
"""Number of trials below which a rank correlation or a median is chance."""

MIN_CORRELATION = 0.3
"""Sufficient rank correlation; low on purpose, because trials that were bad early are missing among the survivors."""

Z_SCORE = 1.645
"""Standard errors to either side of a 90% interval."""


def judge_rungs(evidence: Evidence) -> Outcome:
    """Judge whether the values at which trials were stopped predicted their final values."""
    experiment = evidence.experiment
    epochs = experiment.space.budget.rungs
    if len(epochs) < 2:
        return "unknown", f"Trials are compared at epoch {epochs[0]} alone, so none was stopped by an earlier one."
    pairs = {(first, second): _pair_values(evidence, first, second) for first, second in itertools.pairwise(epochs)}
    ends = _pair_values(evidence, epochs[0], epochs[-1])
    if len(ends) < MIN_TRIALS:
        return "unknown", (
            f"Only {format_count(len(ends), 'trial')} reached epoch {epochs[-1]}; it takes {MIN_TRIALS} to see whether "
            f"epoch {epochs[0]} predicted it.{_describe_pairs(pairs)}"
        )
    has_stopping = (experiment.trials["cause"] == "scheduler").any()
    rho = _spearman(ends)
    low, high = _spearman_interval(rho, len(ends))
    bias = " Trials that were stopped are missing from it, which makes it too low." if has_stopping else ""
    steps = _describe_pairs(pairs) if len(pairs) > 1 else ""
    sentence = (
        f"Between epoch {epochs[0]} and epoch {epochs[-1]} the rank correlation is {rho:.2f} (90% interval {low:.2f} "
        f"to {high:.2f}) over {format_count(len(ends), 'trial')}.{bias}{steps}"
    )
    if rho >= MIN_CORRELATION:
        return "good", sentence
    space = quote_path(experiment.path / "space.yaml")
    remedy = f" To compare later: python -m search.run space={space} budget.grace_epochs={_later_rung(epochs)}"
    if high < MIN_CORRELATION:
        return "bad", f"{sentence} The first rung predicts next to nothing of the end.{remedy}"
    return "careful", f"{sentence} That is too little to be sure that good trials were kept.{remedy}"


def judge_model(evidence: Evidence) -> Outcome:
    """Judge whether trials that the model proposed did better than random ones."""
    experiment = evidence.experiment
    if experiment.space.searcher.kind == "random":
        return "unknown", "Every trial was drawn at random (searcher.kind=random); there was no model."
    rung = experiment.space.budget.rungs[0]  # every trial reaches the first one; later ones have survivors only
    values = experiment.values_at(rung)
    origin = experiment.trials["origin"].reindex(values.index).fillna("")
    proposals, random = values[origin.str.startswith("model")], values[origin == "random"]
    if min(len(proposals), len(random)) < MIN_TRIALS:
        return "unknown", (
            f"{format_count(len(proposals), 'proposed trial')} and {len(random)} drawn at random have reached epoch "
            f"{rung}; it takes {MIN_TRIALS} of each."
        )
    share, deviations = superiority(evidence.sign * proposals, evidence.sign * random)
    sentence = (
        f"At epoch {rung} the median {evidence.metric} is {format_digits(proposals.median())} over {len(proposals):,} "
        f"proposed trials and {format_digits(random.median())} over {len(random):,} drawn at random; a proposed one is "
        f"better in {format_share(share)} of pairs{_describe_completion(evidence)}."
    )
    if deviations > Z_SCORE:
        return "good", sentence
    if deviations < -Z_SCORE:
        return "bad", (
            f"{sentence} The model does worse than chance: what is good at epoch {rung} may not be good later "
            "(see whether the rungs could judge), or start a run with searcher.kind=random."
        )
    return "careful", f"{sentence} That could be chance: the model has neither helped nor harmed visibly."


def superiority(first: pd.Series, second: pd.Series) -> tuple[float, float]:
    """Return the probability that a value of `first` exceeds one of `second`, and its z-score against one half.

    Ties count half. Source: Mann and Whitney 1947, with the correction for ties.
    """
    m, n = len(first), len(second)
    ranks = pd.concat([first, second]).rank()
    u = float(ranks.iloc[:m].sum()) - m * (m + 1) / 2
    ties = ranks.value_counts().to_numpy(float)
    correction = float(np.sum(ties**3 - ties)) / ((m + n) * (m + n - 1))
    deviation = math.sqrt(m * n / 12 * (m + n + 1 - correction))
    return u / (m * n), (u - m * n / 2) / deviation if deviation else 0.0


def _pair_values(evidence: Evidence, first: int, second: int) -> pd.DataFrame:
    """Return the values at two epochs of the trials that trained to the second."""
    experiment = evidence.experiment
    trials = experiment.trials.index[experiment.trials["epochs"] >= second]
    pairs = pd.DataFrame({"first": experiment.values_at(first), "second": experiment.values_at(second)}).dropna()
    return pairs[pairs.index.isin(trials)]


def _spearman(pairs: pd.DataFrame) -> float:
    ranks = pairs.rank()
    if (ranks.nunique() < 2).any():
        return 0.0
    return float(np.corrcoef(ranks["first"], ranks["second"])[0, 1])


def _spearman_interval(rho: float, trials: int) -> tuple[float, float]:
    """Return the 90% interval by Fisher's transform, its standard error enlarged for ranks.

    Source: Fieller, Hartley and Pearson 1957.
    """
    middle, reach = math.atanh(min(0.999999, max(-0.999999, rho))), Z_SCORE * math.sqrt(1.06 / max(1, trials - 3))
    return math.tanh(middle - reach), math.tanh(middle + reach)


def _describe_pairs(pairs: dict[tuple[int, int], pd.DataFrame]) -> str:
    correlations = [
        f"{_spearman(values):.2f} between epochs {first} and {second} ({format_count(len(values), 'trial')})"
        for (first, second), values in pairs.items()
        if len(values) >= MIN_TRIALS
    ]
    return f" From rung to rung: {', '.join(correlations)}." if correlations else ""


def _later_rung(epochs: tuple[int, ...]) -> int:
    """Return a later first rung: the second one, or half the budget where the second is the last."""
    return epochs[1] if len(epochs) > 2 else max(epochs[0] + 1, epochs[-1] // 2)


def _describe_completion(evidence: Evidence) -> str:
    """Describe which share of proposed and random trials trained in full; empty without a scheduler."""
    experiment = evidence.experiment
    if experiment.space.scheduler.kind == "none":
        return ""
    trials = experiment.trials[experiment.trials["status"].isin(["finished", "stopped"])]
    is_full = trials["epochs"] >= experiment.space.budget.max_epochs
    origin = trials["origin"].fillna("")
    proposals, random = is_full[origin.str.startswith("model")], is_full[origin == "random"]
    if proposals.empty or random.empty:
        return ""
    shares = format_share(proposals.mean()), format_share(random.mean())
    return f"; {shares[0]} of the proposed and {shares[1]} of the random ones trained in full"
