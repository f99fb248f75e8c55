"""Questions about what a search spent: whether it had enough trials, and whether they failed."""

from __future__ import annotations

import math

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.questions.answer import Said, counted, figure, like, listed, percent, shown
from analysis.questions.evidence import TOP, Evidence
from search.record import TRIAL
from trainables.files import trial_folder

THIN = 2
"""Trials per setting below which most settings have hardly been varied."""

MORE = 1.5
"""What is asked for where the trials were too few."""

RANKS = 12
"""Best trials from which a further improvement is foreseen; a third to the power of it is nothing."""

RARE, OFTEN = 0.05, 0.2
"""Shares of failed trials: below the first nothing is amiss, from the second on a part of the space is lost."""


def enough(evidence: Evidence) -> Said:
    """Whether more trials would find something better."""
    experiment, best = evidence.experiment, evidence.top[0]
    trials, settings = len(experiment.trials), len(experiment.space.dimensions)
    if len(experiment.ranked) < TOP:
        return "unknown", f"Only {counted(len(experiment.ranked), 'trial')} with a result: too few to foresee from."
    since = int((experiment.trials.index > best).sum())
    expected = _expected_gain(evidence)
    rising = expected > (evidence.scatter or 0.0)
    thin = trials < THIN * settings
    sentence = (
        f"{counted(trials, 'trial')} for {counted(settings, 'setting')}; #{best} has stood for "
        f"{counted(since, 'trial')}. By what a third of them brought on average, half as many more would bring about "
        f"{figure(expected)} in {evidence.metric}"
    )
    if evidence.scatter is not None:
        sentence += (
            f", {'more' if rising else 'less'} than the scatter from epoch to epoch ({figure(evidence.scatter)})"
        )
    sentence += f".{' That is less than two trials per setting.' if thin else ''}{_next(evidence, rising or thin)}"
    return "bad" if rising and thin else "careful" if rising or thin else "good", sentence


def failures(evidence: Evidence) -> Said:
    """Whether trials failed, and of what."""
    trials, failed = evidence.experiment.trials, evidence.experiment.failures
    if trials.empty:
        return "unknown", "No trial has begun yet."
    lost = int((trials["status"] == "unknown").sum())
    aside = f" The records of {counted(lost, 'trial')} are lost." if lost else ""
    if failed.empty:
        return "good", f"None of {counted(len(trials), 'trial')} failed.{aside}"
    share = len(failed) / len(trials)
    reasons = failed["reason"].fillna("without a reason")
    kinds = reasons.map(like)
    commonest = kinds.value_counts()
    example = int(kinds.index[kinds == commonest.index[0]][0])
    sentence = (
        f"{len(failed):,} of {counted(len(trials), 'trial')} failed ({percent(share)}), {commonest.iloc[0]:,} of them "
        f"like #{example}: {str(reasons.at[example]).rstrip('.')}.{aside}"
    )
    if share < RARE:
        return "good", sentence
    more = counted(len(commonest) - 1, "other reason")
    others = f" failures.csv has {more} as well." if len(commonest) > 1 else ""
    sentence += f"{_remedy(evidence)}{others}"
    return "careful" if share < OFTEN else "bad", sentence


def _expected_gain(evidence: Evidence) -> float:
    """What the last third of the trials brings on average over all orders in which they could have come.

    The best of two thirds of many trials is the r-th best of all with probability 2/3 · (1/3)^(r − 1). It is what half
    as many more would bring, or a little more than that, for improvements shrink.
    """
    experiment = evidence.experiment
    ranks = [trial for trial in experiment.ranked[:RANKS] if evidence.kept(trial) == evidence.kept(evidence.top[0])]
    values = evidence.sign * experiment.trials.loc[ranks, "value"].to_numpy(float)
    weights = (2 / 3) * (1 / 3) ** np.arange(len(values))
    weights[-1] += 1 - weights.sum()
    return float(values[0] - weights @ values)


def _next(evidence: Evidence, wanted: bool) -> str:
    experiment = evidence.experiment
    trials, budget = len(experiment.trials), experiment.space.budget.trials
    resume = f"python -m search.run resume={shown(experiment.path)}"
    if trials < budget:
        going = (experiment.trials["status"] == "running").any()
        left = f" The run has yet to begin {budget - trials:,} of its {budget:,} trials"
        return f"{left}." if going else f"{left}: {_aside(evidence)}{resume}"
    return f" Go on: {_aside(evidence)}{resume} budget.trials={math.ceil(MORE * trials)}" if wanted else ""


def _aside(evidence: Evidence) -> str:
    """Trials whose record is damaged would stop a resumed run."""
    folders = damaged(evidence.experiment)
    return f"move {listed(folders)} out of the run's folder, then " if folders else ""


def damaged(experiment: Experiment) -> list[str]:
    """The folders of trials whose `trial.json` cannot be read."""
    return sorted({problem.partition("/")[0] for problem in experiment.problems if f"/{TRIAL} " in problem})


def _remedy(evidence: Evidence) -> str:
    """What to do about failures: where the default fails as well, the ranges are not to blame."""
    if 0 in evidence.experiment.failures.index:
        return f" The default fails as well: read {trial_folder(evidence.experiment.path, 0).name}/error.txt."
    return " Narrow the ranges that lead there."
