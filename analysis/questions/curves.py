"""Questions about the ends of the best trials' curves: are they still rising, or past their best epoch?

A curve is that of the last stage: what happens at a border of stages, or before it, is no sign of either.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from analysis.questions.answer import Outcome, quote_path
from analysis.questions.evidence import Evidence
from analysis.wording import format_count, format_digits, inflect, join_trials

MIN_EPOCHS = 4
"""Epochs below which a curve has no meaningful end."""

NOTICEABLE = 2.0
"""Standard errors of a fitted rise, or scatters of a fall between means of three, beyond which it counts as real."""

EARLY_SHARE = 2 / 3
"""Share of the trained epochs up to which a best epoch counts as early."""

TRAINING_LOSS = "train/total"


def judge_improvement(evidence: Evidence) -> Outcome:
    """Judge whether the best trials were still improving at the end of their budget."""
    budget, scatter = evidence.experiment.space.budget.max_epochs, evidence.scatter
    if reason := _missing_data(evidence):
        return "unknown", reason
    rises = {trial: _rise(evidence.curves[trial].to_numpy(float)) for trial in evidence.complete_trials}
    best_epochs = {trial: evidence.best_epoch(trial) for trial in rises}
    thresholds = {trial: NOTICEABLE * _rise_error(len(evidence.curves[trial])) * (scatter or 0.0) for trial in rises}
    rising = [trial for trial, rise in rises.items() if best_epochs[trial] == budget and rise > thresholds[trial]]
    group = f"trained all {budget} epochs"
    if not rising:
        epoch = np.median([*best_epochs.values()])
        if len(rises) == 1:
            subject = _name_members([*rises], rises, group)
            return "good", f"{subject} was not rising any more; it was best at epoch {epoch:.0f}."
        return "good", (
            f"None of the best {len(rises)} trials that {group} was still rising; half of them were best by epoch "
            f"{epoch:.0f}."
        )
    steepest = max(rising, key=rises.__getitem__)
    sentence = (
        f"{_name_members(rising, rises, group)} {inflect(len(rising), 'was', 'were')} best at the last epoch and still "
        f"rising: {inflect(len(rising), '', f'#{steepest} ')}by {format_digits(rises[steepest])} over the last third, "
        f"where the scatter is {format_digits(scatter or 0.0)}."
    )
    if len(rising) * 2 < len(rises):
        return "good", f"{sentence} The others were not."
    space = quote_path(evidence.experiment.path / "space.yaml")
    sentence += (
        f" Give trials more epochs: python -m search.run space={space} budget.max_epochs={math.ceil(1.5 * budget)}"
    )
    return "bad" if rising == evidence.complete_trials and len(rising) > 1 else "careful", sentence


def judge_overfitting(evidence: Evidence) -> Outcome:
    """Judge whether the best trials got worse after their best epoch while the training loss continued to fall."""
    if reason := _missing_data(evidence):
        return "unknown", reason
    falls = {trial: _fall(evidence.curves[trial].to_numpy(float)) for trial in evidence.complete_trials}
    threshold = NOTICEABLE * (evidence.scatter or 0.0)
    overfitting = [
        trial
        for trial, fall in falls.items()
        if fall > threshold and _has_early_best(evidence, trial) and _is_learning(evidence, trial)
    ]
    group = "trained in full"
    if not overfitting:
        if len(falls) == 1:
            subject = _name_members([*falls], falls, group)
            return "good", f"{subject} lost no more after its best epoch than its curve scatters."
        subject = f"None of the best {len(falls)} trials that {group}"
        return "good", f"{subject} lost more after its best epoch than its curve scatters."
    steepest = max(overfitting, key=falls.__getitem__)
    best_epoch = evidence.best_epoch(steepest)
    sentence = (
        f"{_name_members(overfitting, falls, group)} got worse after an early best epoch while the training loss fell: "
        f"{inflect(len(overfitting), 'it', f'#{steepest}')} is best at epoch {best_epoch} and then loses "
        f"{format_digits(falls[steepest])}, where the scatter is {format_digits(evidence.scatter or 0.0)}."
    )
    if len(overfitting) * 2 < len(falls):
        return "good", f"{sentence} The others did not."
    patience = max(3, evidence.experiment.space.budget.max_epochs // 5)
    sentence += (
        f" The best epoch's weights are kept, so no result is lost, but time is: fixed.patience={patience}, or "
        f"budget.max_epochs={math.ceil(1.5 * best_epoch)}, or search more regularisation (params.weight_decay)."
    )
    return "bad" if overfitting == evidence.complete_trials and len(overfitting) > 1 else "careful", sentence


def _missing_data(evidence: Evidence) -> str:
    """Return why the question cannot be answered yet; empty where it can."""
    budget = evidence.experiment.space.budget.max_epochs
    if budget < MIN_EPOCHS:
        return f"Trials of {format_count(budget, 'epoch')} are too short to tell."
    if not evidence.complete_trials:
        return f"No trial has trained all {budget} epochs yet."
    length = min(len(evidence.curves[trial]) for trial in evidence.complete_trials)
    return f"The last stage of {format_count(length, 'epoch')} is too short to tell." if length < MIN_EPOCHS else ""


def _name_members(members: Sequence[int], trials: Collection[int], group: str) -> str:
    """Name some of the best trials that a group consists of, as the subject of a sentence."""
    if len(trials) == 1:
        return f"#{members[0]}, the only trial that {group},"
    return f"Of the best {len(trials)} trials that {group}, {join_trials(members)}"


def _rise(curve: np.ndarray) -> float:
    """Return the rise of a straight line fitted to the last third of a curve."""
    tail = curve[-_third(len(curve)) :]
    return float(np.polyfit(np.arange(len(tail)), tail, 1)[0] * (len(tail) - 1))


def _rise_error(epochs: int) -> float:
    """Return the standard error of that rise, in units of the scatter of the points."""
    points = _third(epochs)  # the slope's variance is scatter² · 12 / (n (n² − 1))
    return (points - 1) / math.sqrt(points * (points**2 - 1) / 12)


def _third(epochs: int) -> int:
    return max(3, epochs // 3)


def _fall(curve: np.ndarray) -> float:
    """Return the fall from the highest mean of three consecutive epochs to the mean of the last three."""
    means = np.convolve(curve, np.ones(3) / 3, mode="valid")
    return float(means.max() - means[-1])


def _has_early_best(evidence: Evidence, trial: int) -> bool:
    epochs = evidence.curves[trial].index  # of the last stage, the one that is judged
    return bool(evidence.best_epoch(trial) - epochs[0] + 1 <= EARLY_SHARE * len(epochs))


def _is_learning(evidence: Evidence, trial: int) -> bool:
    """Check that the training loss is lower at the end than at the best epoch; assumed where it is not reported."""
    if TRAINING_LOSS not in evidence.experiment.reports:
        return True
    loss = evidence.experiment.curve(trial, TRAINING_LOSS)
    return bool(loss.iloc[-3:].mean() < loss.loc[evidence.best_epoch(trial)])
