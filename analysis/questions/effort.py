"""Questions about the trials of a search: were there enough, and did any fail?"""

from __future__ import annotations

import math

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.questions.answer import Outcome, quote_path
from analysis.questions.evidence import Evidence
from analysis.wording import format_count, format_digits, format_share, inflect, join_words, strip_numbers
from search.record import TRIAL
from trainables.failures import name_failure_file
from trainables.files import trial_folder

MIN_TRIALS_PER_SETTING = 2
"""Trials per setting below which most settings have hardly been varied."""

GROWTH = 1.5
"""Factor by which to raise the number of trials where it was too small."""

RANKS = 12
"""Best trials from which the gain of further trials is estimated; the weight of the next one, 3⁻¹², is nothing."""

RARE_SHARE, FREQUENT_SHARE = 0.05, 0.2
"""Shares of failed trials: below the first all is well, from the second on a part of the space is lost."""


def judge_trial_count(evidence: Evidence) -> Outcome:
    """Judge whether more trials would find better settings."""
    experiment, best = evidence.experiment, evidence.top[0]
    trials, settings = len(experiment.trials), len(experiment.space.dimensions)
    later = int((experiment.trials.index > best).sum())
    estimate = _expected_gain(evidence)
    is_rising = estimate > (evidence.scatter or 0.0)
    is_sparse = trials < MIN_TRIALS_PER_SETTING * settings
    sentence = (
        f"{format_count(trials, 'trial')} for {format_count(settings, 'setting')}; {format_count(later, 'trial')} came "
        f"after the best, #{best}. Going by what a third of the trials gains on average, half as many more would gain "
        f"about {format_digits(estimate)} in {evidence.metric}"
    )
    if evidence.scatter is not None:
        relation = "more" if is_rising else "less"
        sentence += f", {relation} than the scatter from epoch to epoch ({format_digits(evidence.scatter)})"
    sentence += ". There are fewer than two trials per setting." if is_sparse else "."
    sentence += _next_step(evidence, is_rising or is_sparse)
    return "bad" if is_rising and is_sparse else "careful" if is_rising or is_sparse else "good", sentence


def judge_failures(evidence: Evidence) -> Outcome:
    """Judge whether trials failed, and name the commonest reason."""
    trials, failures = evidence.experiment.trials, evidence.experiment.failures
    failed = failures[failures["cause"] != "environment"]
    if trials.empty:
        return "unknown", "No trial has started yet."
    unknown = int((trials["status"] == "unknown").sum())
    records = inflect(unknown, "record of 1 trial is", f"records of {unknown:,} trials are")
    remark = f" The {records} lost." if unknown else ""
    remark += _environment_remark(evidence)
    if failed.empty:
        subject = inflect(len(trials), "The only trial has not", f"None of {format_count(len(trials), 'trial')} has")
        if len(failures):
            return "careful", f"{subject} failed because of its settings.{remark}"
        return "good", f"{subject} failed.{remark}"
    share = len(failed) / len(trials)
    reasons = failed["reason"].fillna("without a reason")
    kinds = reasons.map(strip_numbers)
    counts = kinds.value_counts()
    example = int(kinds.index[kinds == counts.index[0]][0])
    cases = inflect(len(failed), f"#{example}", f"{counts.iloc[0]:,} of them like #{example}")
    sentence = (
        f"{len(failed):,} of {format_count(len(trials), 'trial')} failed ({format_share(share)}), {cases}: "
        f"{str(reasons.at[example]).rstrip('.')}.{remark}"
    )
    if share < RARE_SHARE:
        return "good", sentence
    other_reasons = format_count(len(counts) - 1, "other reason")
    pointer = f" failures.csv has {other_reasons} as well." if len(counts) > 1 else ""
    sentence += f"{_remedy(evidence)}{pointer}"
    return "careful" if share < FREQUENT_SHARE else "bad", sentence


def _environment_remark(evidence: Evidence) -> str:
    """Return what to do about trials that the environment failed: they say nothing about the space."""
    failures = evidence.experiment.failures
    failed = failures[failures["cause"] == "environment"]
    if failed.empty:
        return ""
    resume = f"python -m search.run resume={quote_path(evidence.experiment.path)} retry=true"
    return (
        f" The environment failed {format_count(len(failed), 'trial')}, such as #{failed.index[0]}: "
        f"{str(failed['reason'].iloc[0]).rstrip('.')}; to run {inflect(len(failed), 'it', 'them')} again: {resume}"
    )


def _expected_gain(evidence: Evidence) -> float:
    """Return the gain of the last third of the trials, averaged over all orders in which they could have run.

    The best of two thirds of many trials is the r-th best of all with probability 2/3 · (1/3)^(r − 1). This estimates
    the gain of half as many further trials, or slightly exceeds it, because improvements shrink.
    """
    experiment = evidence.experiment
    ranks = [
        trial
        for trial in experiment.ranking[:RANKS]
        if evidence.is_feasible(trial) == evidence.is_feasible(evidence.top[0])
    ]
    values = evidence.sign * experiment.trials.loc[ranks, "value"].to_numpy(float)
    weights = (2 / 3) * (1 / 3) ** np.arange(len(values))
    weights[-1] += 1 - weights.sum()  # the rest of the geometric series
    return float(values[0] - weights @ values)


def _next_step(evidence: Evidence, needs_trials: bool) -> str:
    experiment = evidence.experiment
    trials, budget = len(experiment.trials), experiment.space.budget.trials
    resume = f"python -m search.run resume={quote_path(experiment.path)}"
    if trials < budget:
        is_running = (experiment.trials["status"] == "running").any()
        have = inflect(budget - trials, "has", "have")
        rest = f" {budget - trials:,} of the run's {budget:,} trials {have} not started yet"
        return f"{rest}." if is_running else f"{rest}: {_repair_step(evidence)}{resume}"
    if not needs_trials:
        return ""
    return f" To continue: {_repair_step(evidence)}{resume} budget.trials={math.ceil(GROWTH * trials)}"


def _repair_step(evidence: Evidence) -> str:
    """Return what to do first about trials with a damaged record, which would stop a resumed run."""
    folders = damaged_folders(evidence.experiment)
    return f"move {join_words(folders)} out of the run's folder, then " if folders else ""


def damaged_folders(experiment: Experiment) -> list[str]:
    """List the folders of trials whose `trial.json` cannot be read."""
    return sorted({problem.partition("/")[0] for problem in experiment.problems if f"/{TRIAL} " in problem})


def _remedy(evidence: Evidence) -> str:
    """Return what to do about failures: where the default fails as well, the ranges are not the cause."""
    if 0 in evidence.experiment.failures.index:
        return f" The default fails as well: read {name_failure_file(trial_folder(evidence.experiment.path, 0))}."
    return " Narrow the ranges that lead there."
