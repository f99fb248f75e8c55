"""Questions about the search itself: whether early epochs foretold the end, and whether the model beat chance."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from analysis.questions.answer import Said, counted, figure, percent, shown
from analysis.questions.evidence import Evidence

NEEDED = 8
"""Trials in a comparison below which a rank correlation or a median is chance."""

TELLS = 0.3
"""Rank correlation that is good enough; low on purpose, for among survivors those that did badly early are missing."""

SURE = 1.645
"""Standard errors of a two-sided 90 % interval."""


def rungs(evidence: Evidence) -> Said:
    """Whether the epochs at which trials were stopped foretold their final values."""
    experiment = evidence.experiment
    epochs = experiment.space.budget.rungs
    if len(epochs) < 2:
        return "unknown", f"Trials are compared at epoch {epochs[0]} alone, so none was stopped by an earlier one."
    pairs = {(one, other): _together(evidence, one, other) for one, other in itertools.pairwise(epochs)}
    whole = _together(evidence, epochs[0], epochs[-1])
    if len(whole) < NEEDED:
        return "unknown", (
            f"Only {counted(len(whole), 'trial')} reached epoch {epochs[-1]}; it takes {NEEDED} to see whether epoch "
            f"{epochs[0]} foretold it.{_adjacent(pairs)}"
        )
    stopping = (experiment.trials["cause"] == "scheduler").any()
    rho = _spearman(whole)
    low, high = _interval(rho, len(whole))
    biased = " Trials that were stopped are missing from it, which makes it too low." if stopping else ""
    sentence = (
        f"Between epoch {epochs[0]} and epoch {epochs[-1]} the rank correlation is {rho:.2f} (90 % interval {low:.2f} "
        f"to {high:.2f}) over {counted(len(whole), 'trial')}.{biased}{_adjacent(pairs) if len(pairs) > 1 else ''}"
    )
    if rho >= TELLS:
        return "good", sentence
    space = shown(experiment.path / "space.yaml")
    later = f" To compare later: python -m search.run space={space} budget.grace_epochs={_later(epochs)}"
    if high < TELLS:
        return "bad", f"{sentence} The first rung tells next to nothing of the end.{later}"
    return "careful", f"{sentence} That is too little to be sure that good trials were kept.{later}"


def model(evidence: Evidence) -> Said:
    """Whether trials that the model proposed did better than those drawn at random."""
    experiment = evidence.experiment
    if experiment.space.searcher.kind == "random":
        return "unknown", "Every trial was drawn at random (searcher.kind=random); there was no model."
    rung = experiment.space.budget.rungs[0]  # the one that every trial reaches; later ones have survivors alone
    values = experiment.at(rung)
    origin = experiment.trials["origin"].reindex(values.index).fillna("")
    proposed, drawn = values[origin.str.startswith("model")], values[origin == "random"]
    if min(len(proposed), len(drawn)) < NEEDED:
        return "unknown", (
            f"{counted(len(proposed), 'proposed trial')} and {len(drawn)} drawn at random have reached epoch {rung}; "
            f"it takes {NEEDED} of each."
        )
    share, deviations = superiority(evidence.sign * proposed, evidence.sign * drawn)
    sentence = (
        f"At epoch {rung} the median {evidence.metric} is {figure(proposed.median())} over {len(proposed):,} proposed "
        f"trials and {figure(drawn.median())} over {len(drawn):,} drawn at random; a proposed one is better in "
        f"{percent(share)} of pairs{_reached(evidence)}."
    )
    if deviations > SURE:
        return "good", sentence
    if deviations < -SURE:
        return "bad", (
            f"{sentence} The model does worse than chance: what is good at epoch {rung} may not be good later "
            "(see whether the rungs could judge), or start a run with searcher.kind=random."
        )
    return "careful", f"{sentence} That could be chance: the model has not helped visibly, nor harmed."


def superiority(one: pd.Series, other: pd.Series) -> tuple[float, float]:
    """The probability that a value of `one` exceeds a value of `other`, ties by half, and by how many standard
    deviations it differs from a half.

    Source: Mann and Whitney 1947, with the correction for ties.
    """
    m, n = len(one), len(other)
    ranks = pd.concat([one, other]).rank()
    u = float(ranks.iloc[:m].sum()) - m * (m + 1) / 2
    ties = ranks.value_counts().to_numpy(float)
    correction = float(np.sum(ties**3 - ties)) / ((m + n) * (m + n - 1))
    deviation = math.sqrt(m * n / 12 * (m + n + 1 - correction))
    return u / (m * n), (u - m * n / 2) / deviation if deviation else 0.0


def _together(evidence: Evidence, one: int, other: int) -> pd.DataFrame:
    """The values at two epochs of the trials that trained to the later one."""
    experiment = evidence.experiment
    there = experiment.trials.index[experiment.trials["epochs"] >= other]
    both = pd.DataFrame({"one": experiment.at(one), "other": experiment.at(other)}).dropna()
    return both[both.index.isin(there)]


def _spearman(both: pd.DataFrame) -> float:
    ranks = both.rank()
    if (ranks.nunique() < 2).any():
        return 0.0
    return float(np.corrcoef(ranks["one"], ranks["other"])[0, 1])


def _interval(rho: float, trials: int) -> tuple[float, float]:
    """By Fisher's transform, its standard error enlarged for ranks. Source: Fieller, Hartley and Pearson 1957."""
    middle, reach = math.atanh(min(0.999999, max(-0.999999, rho))), SURE * math.sqrt(1.06 / max(1, trials - 3))
    return math.tanh(middle - reach), math.tanh(middle + reach)


def _adjacent(pairs: dict[tuple[int, int], pd.DataFrame]) -> str:
    known = [
        f"{_spearman(both):.2f} between epochs {one} and {other} ({counted(len(both), 'trial')})"
        for (one, other), both in pairs.items()
        if len(both) >= NEEDED
    ]
    return f" From rung to rung: {', '.join(known)}." if known else ""


def _later(epochs: tuple[int, ...]) -> int:
    """A first rung further on: the second one, or where that is the end half of it."""
    return epochs[1] if len(epochs) > 2 else max(epochs[0] + 1, epochs[-1] // 2)


def _reached(evidence: Evidence) -> str:
    """What share of either kind trained in full, where a scheduler had the choice."""
    experiment = evidence.experiment
    if experiment.space.scheduler.kind == "none":
        return ""
    ended = experiment.trials[experiment.trials["status"].isin(["finished", "stopped"])]
    full = ended["epochs"] >= experiment.space.budget.max_epochs
    origin = ended["origin"].fillna("")
    proposed, drawn = full[origin.str.startswith("model")], full[origin == "random"]
    if proposed.empty or drawn.empty:
        return ""
    return f"; {percent(proposed.mean())} of the proposed and {percent(drawn.mean())} of the drawn trained in full"
