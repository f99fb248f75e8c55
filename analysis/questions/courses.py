"""Questions about how the best trials' curves end: still rising, or past their best."""

from __future__ import annotations

import math

import numpy as np

from analysis.questions.answer import Said, counted, figure, named, shown
from analysis.questions.evidence import Evidence

SHORT = 4
"""Epochs below which the end of a curve says nothing."""

NOTICED = 2.0
"""Standard errors of a fitted rise, and scatters of a fall between means of three, beyond which it is no chance."""

LATE = 2 / 3
"""Share of the budget after which a best epoch is not an early one."""

TOTAL = "train/total"


def improving(evidence: Evidence) -> Said:
    """Whether the best trials would have gone on improving with more epochs."""
    budget, scatter = evidence.experiment.space.budget.max_epochs, evidence.scatter
    if why := _too_little(evidence):
        return "unknown", why
    rises = {trial: _rise(evidence.curves[trial].to_numpy(float)) for trial in evidence.complete}
    least = NOTICED * _rise_error(budget) * (scatter or 0.0)
    last = evidence.experiment.trials.loc[evidence.complete, "best_epoch"] == budget
    rising = [trial for trial, rise in rises.items() if last[trial] and rise > least]
    of = f"the best {counted(len(rises), 'trial')} that trained all {budget} epochs"
    if not rising:
        epochs = evidence.experiment.trials.loc[evidence.complete, "best_epoch"].median()
        return "good", f"None of {of} was still rising; half of them were best by epoch {epochs:.0f}."
    most = max(rising, key=rises.__getitem__)
    sentence = (
        f"Of {of}, {named(rising)} {'was' if len(rising) == 1 else 'were'} best at the last epoch and still rising: "
        f"#{most} by {figure(rises[most])} over the last third, where the scatter is {figure(scatter or 0.0)}."
    )
    if len(rising) * 2 < len(rises):
        return "good", f"{sentence} The others were not."
    space = shown(evidence.experiment.path / "space.yaml")
    sentence += f" Give trials longer: python -m search.run space={space} budget.max_epochs={math.ceil(1.5 * budget)}"
    return "bad" if rising == evidence.complete and len(rising) > 1 else "careful", sentence


def overfitted(evidence: Evidence) -> Said:
    """Whether the best trials got worse after their best epoch while the training loss went on falling."""
    if why := _too_little(evidence):
        return "unknown", why
    falls = {trial: _fall(evidence.curves[trial].to_numpy(float)) for trial in evidence.complete}
    threshold = NOTICED * (evidence.scatter or 0.0)
    past = [
        trial
        for trial, fall in falls.items()
        if fall > threshold and _early(evidence, trial) and _learns(evidence, trial)
    ]
    of = f"the best {counted(len(falls), 'trial')} that trained in full"
    if not past:
        return "good", f"None of {of} lost more after its best epoch than its curve scatters."
    most = max(past, key=falls.__getitem__)
    best_epoch = int(evidence.of(most, "best_epoch"))
    sentence = (
        f"Of {of}, {named(past)} got worse after an early best epoch while the training loss fell: "
        f"#{most} is best at epoch {best_epoch} and then loses {figure(falls[most])}, "
        f"where the scatter is {figure(evidence.scatter or 0.0)}."
    )
    if len(past) * 2 < len(falls):
        return "good", f"{sentence} The others did not."
    patience = max(3, evidence.experiment.space.budget.max_epochs // 5)
    sentence += (
        f" The best epoch's weights are kept, so no result is lost, but time is: fixed.patience={patience}, or "
        f"budget.max_epochs={math.ceil(1.5 * best_epoch)}, or search more regularisation (params.weight_decay)."
    )
    return "bad" if past == evidence.complete and len(past) > 1 else "careful", sentence


def _too_little(evidence: Evidence) -> str:
    budget = evidence.experiment.space.budget.max_epochs
    if budget < SHORT:
        return f"Trials of {counted(budget, 'epoch')} are too short to tell."
    return "" if evidence.complete else f"No trial has trained all {budget} epochs yet."


def _rise(curve: np.ndarray) -> float:
    """What a straight line through the last third of a curve rises by."""
    tail = curve[-_third(len(curve)) :]
    return float(np.polyfit(np.arange(len(tail)), tail, 1)[0] * (len(tail) - 1))


def _rise_error(epochs: int) -> float:
    """The standard error of such a rise, in scatters of the points."""
    points = _third(epochs)
    return (points - 1) / math.sqrt(points * (points**2 - 1) / 12)


def _third(epochs: int) -> int:
    return max(3, epochs // 3)


def _fall(curve: np.ndarray) -> float:
    """From the highest mean of three epochs in a row to the mean of the last three."""
    means = np.convolve(curve, np.ones(3) / 3, mode="valid")
    return float(means.max() - means[-1])


def _early(evidence: Evidence, trial: int) -> bool:
    return bool(evidence.of(trial, "best_epoch") <= LATE * evidence.of(trial, "epochs"))


def _learns(evidence: Evidence, trial: int) -> bool:
    """Whether the training loss is lower at the end than at the best epoch; taken for granted where it is not known."""
    if TOTAL not in evidence.experiment.reports:
        return True
    loss = evidence.experiment.curve(trial, TOTAL)
    return bool(loss.iloc[-3:].mean() < loss.loc[int(evidence.of(trial, "best_epoch"))])
