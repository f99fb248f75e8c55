"""Questions about the best trials of a run: better than the default, apart from each other, on the front, healthy."""

from __future__ import annotations

import pandas as pd

from analysis.questions import proof
from analysis.questions.answer import Said, counted, figure, listed, named, percent, retraining
from analysis.questions.evidence import CLEAR, Evidence

CHOSEN = 5.0
"""Scatters by which the best trial must beat the default to be worth a proof: the best of hundreds of equal ones lies
three above their mean, and a difference of two results is chance up to about two more. It proves nothing: seeds scatter
by more than epochs do, on chest X-rays by five times as much."""

MOSTLY = 0.5
"""Share of trials above which a trouble is the run's, not a trial's."""


def better(evidence: Evidence) -> Said:
    """Whether the best trial beats the default settings; without a proof never for certain."""
    experiment, best = evidence.experiment, evidence.top[0]
    if experiment.proof:
        return proof.better(experiment.proof, experiment.path)
    if not evidence.kept(best):
        return "bad", _none_feasible(evidence)
    if experiment.default is None:
        return _without_default(evidence)
    if evidence.of(0, "status") == "running":
        return "unknown", _too_early(evidence)
    return _unbeaten(evidence) if best == 0 else _against_default(evidence)


def _against_default(evidence: Evidence) -> Said:
    experiment, best = evidence.experiment, evidence.top[0]
    values = f"#{best} has {evidence.metric} {figure(evidence.value(best))}, the default {figure(evidence.value(0))}"
    if not evidence.kept(0):
        return "good", f"{values}, but the default {_broken(evidence, 0)}, so what keeps the constraints is better."
    gain = evidence.gain(best, 0)
    trouble = _default_trouble(evidence)
    if evidence.scatter is None:
        return (
            "careful",
            f"{values}; the curves are too short to see noise.{trouble} Try it: {_prove(evidence)}",
        )
    size = _in_scatters(gain, evidence.scatter)
    if gain > CHOSEN * evidence.scatter:
        return "careful", (
            f"{values}: better by {figure(gain)}, {size}.{trouble} One seed does not prove it; this does: "
            f"{_prove(evidence)}"
        )
    return "careful", (
        f"{values}: better by only {figure(gain)}, {size}, after choosing the best of "
        f"{counted(len(experiment.ranked), 'trial')}.{trouble} See whether it lasts: {_prove(evidence)}"
    )


def noise(evidence: Evidence) -> Said:
    """Whether the best trials can be told from each other; without a proof over several seeds never for certain."""
    if evidence.experiment.proof:
        return proof.apart(evidence.experiment.proof)
    best, scatter = evidence.top[0], evidence.scatter
    rivals = [trial for trial in evidence.top[1:] if evidence.kept(trial) == evidence.kept(best)]
    if scatter is None or not rivals:
        why = "the curves are too short to see noise" if rivals else f"#{best} has no trial to be compared with"
        return (
            "unknown",
            f"{why[0].upper()}{why[1:]}. Several seeds can tell: {_prove(evidence)}",
        )
    gaps = [evidence.gain(best, rival) for rival in rivals]
    level = [rival for rival, gap in zip(rivals, gaps, strict=True) if gap <= CLEAR * scatter]
    spread = figure(gaps[0]) if len(gaps) == 1 else f"{figure(gaps[0])} to {figure(gaps[-1])}"
    lead = f"#{best} leads {named(rivals)} by {spread}{_lead_on_default(evidence)}"
    seen = f"from epoch to epoch the best trials scatter by {figure(scatter)}, and seeds differ by more"
    if not level:
        rest = f"The lead is over {CLEAR:g} times that, which one seed cannot prove; several can"
    else:
        rest = f"One seed cannot tell #{best} from {named(level)}; several can"
    return "careful", f"{lead}; {seen}. {rest}: {_prove(evidence, max(3, len(level) + 1))}"


def front(evidence: Evidence) -> Said:
    """Of several goals: how many trials no other one dominates, and whether the default is among them."""
    experiment = evidence.experiment
    goals = experiment.objective.goals
    if not experiment.front:
        return "unknown", "No trial has trained its whole budget yet, so there is no front."
    members = experiment.latest.loc[experiment.front]
    order = [goal.sign * members[goal.metric] for goal in goals]
    ends = [(int(values.index[int(values.argmax())]), goal.metric) for values, goal in zip(order, goals, strict=True)]
    best = listed([f"{metric} {figure(members[metric][trial])} (#{trial})" for trial, metric in ends])
    of = f"of {experiment.settled.sum():,} that trained to their end"
    size = f"{counted(len(members), 'trial')} make the front, {of}; the best there: {best}"
    if experiment.chosen is None:
        return "bad", f"{size}. None keeps the constraints."
    if len(members) == 1:
        return "careful", f"{size}. One trial leads in every goal, so the goals do not conflict: one would do."
    if 0 in members.index:
        return "careful", f"{size}. The default is on it: no trial is better in one goal without a loss in another."
    choice = f"Of these #{experiment.chosen} is chosen, as the space says: {experiment.objective.rule}."
    if not experiment.objective.trades:
        choice = "Choose by what a goal is worth to you: give_up says it in the space."
    return "good", f"{size}. {_default_behind(evidence, members)} {choice}"


def healthy(evidence: Evidence) -> Said:
    """Whether health checks or constraints speak against the best trials, or against the run."""
    experiment, best = evidence.experiment, evidence.top[0]
    if not evidence.kept(best):
        return "bad", _none_feasible(evidence)
    found = experiment.findings
    at_best = found[found["epoch"] == found["trial"].map(experiment.trials["best_epoch"])]
    messages = {int(trial): str(message) for trial, message in zip(at_best["trial"], at_best["message"], strict=True)}
    if best in messages:
        return "bad", f"At its best epoch #{best} had a finding: {messages[best]}"
    over_all = _over_all(evidence)
    for trial in evidence.top:
        if trial in messages:
            finding = f"at its best epoch #{trial} had a finding: {messages[trial]}"
            return "careful", f"#{best} is healthy, but {finding} {over_all}"
    share = found["trial"].nunique() / len(experiment.trials)
    known = experiment.trials.loc[experiment.ranked, "violation"]
    troubled = share > MOSTLY or (known > 0).mean() > MOSTLY
    words = f"The best {counted(len(evidence.top), 'trial')} had no finding at their best epochs. {over_all}"
    return ("careful", f"{words} The ranges may reach too far.") if troubled else ("good", words)


def _none_feasible(evidence: Evidence) -> str:
    best = evidence.top[0]
    metrics = " or ".join(f"constraints.{metric}" for metric in evidence.experiment.objective.constraints)
    return (
        f"No trial keeps the constraints: even #{best} {_broken(evidence, best)}. "
        f"Search where they can be kept, or start a run with a larger bound for {metrics}."
    )


def _broken(evidence: Evidence, trial: int) -> str:
    """By what a trial breaks the constraints at its best epoch."""
    bounds = evidence.experiment.objective.constraints
    values = {metric: float(evidence.of(trial, metric)) for metric in bounds}
    over = [
        f"{each} {figure(value)} (bound {figure(bounds[each])})"
        for each, value in values.items()
        if value > bounds[each]
    ]
    return f"has {listed(over)}" if over else "does not keep them"


def _without_default(evidence: Evidence) -> Said:
    best, trials = evidence.top[0], evidence.experiment.trials
    has = f"#{best} has {evidence.metric} {figure(evidence.value(best))}"
    if 0 not in trials.index:
        return "unknown", f"{has}; there is no default trial to compare it with."
    if evidence.of(0, "status") == "failed":
        why = evidence.of(0, "reason")
        return "careful", f"{has}; the default failed, so nothing is there to compare it with: {why}"
    return "unknown", f"{has}; the default has no result yet."


def _too_early(evidence: Evidence) -> str:
    best, budget = evidence.top[0], evidence.experiment.space.budget.max_epochs
    has = f"#{best} has {evidence.metric} {figure(evidence.value(best))}" if best else "No trial is better so far"
    return f"{has}; the default is at epoch {evidence.of(0, 'epochs')} of {budget}, so it is too early to compare."


def _unbeaten(evidence: Evidence) -> Said:
    others = len(evidence.experiment.ranked) - 1
    has = f"The default has {evidence.metric} {figure(evidence.value(0))}"
    if not others:
        return "unknown", f"{has}, and no other trial has a result yet."
    return "bad", (
        f"{has}, and none of {counted(others, 'other trial')} is better: keep the default settings, give the search "
        f"more trials, or narrow its ranges around them."
    )


def _default_trouble(evidence: Evidence) -> str:
    """A default trial that never got better than at its first epoch is a weak one to beat."""
    epochs = evidence.of(0, "epochs")
    if epochs > 1 and evidence.of(0, "best_epoch") == 1:
        return (
            f" The default is best at epoch 1 of {epochs}: it does not learn in this budget, so the difference "
            f"says less of #{evidence.top[0]} than of the default."
        )
    return ""


def _in_scatters(gain: float, scatter: float) -> str:
    times = f"{gain / scatter:.1f}" if scatter > gain / 100 else "over 100"
    return f"{times} times the scatter from epoch to epoch ({figure(scatter)}), which is the least that seeds differ by"


def _lead_on_default(evidence: Evidence) -> str:
    default = evidence.experiment.default
    if default is None or default in evidence.top or not evidence.kept(default):
        return ""
    return f" and the default by {figure(evidence.gain(evidence.top[0], default))}"


def _default_behind(evidence: Evidence, members: pd.DataFrame) -> str:
    if evidence.experiment.default is None:
        return "The default has no result to compare with."
    ahead, latest = pd.Series(True, index=members.index), evidence.experiment.latest
    for goal in evidence.experiment.objective.goals:
        ahead &= goal.sign * members[goal.metric] >= goal.sign * float(latest[goal.metric][0])
    trials = [int(trial) for trial in members.index[ahead]]
    return f"{named(trials[:3])} {'beats' if len(trials) == 1 else 'beat'} the default in every goal." if trials else ""


def _over_all(evidence: Evidence) -> str:
    """Findings and constraints of the whole run."""
    experiment = evidence.experiment
    trials = len(experiment.trials)
    found = experiment.findings.drop_duplicates(["trial", "check"])
    words = "No trial had any."
    if len(found):
        check = found["check"].value_counts()
        with_any = found["trial"].nunique()
        words = f"Of all {counted(trials, 'trial')} {percent(with_any / trials)} had one at some epoch"
        words += f", most often '{check.index[0]}' ({check.iloc[0]})."
    if experiment.objective.constraints:
        kept = (experiment.trials.loc[experiment.ranked, "violation"] == 0).mean()
        words += f" {percent(kept)} of those with a result keep the constraints."
    return words


def _prove(evidence: Evidence, top: int = 3) -> str:
    return retraining(evidence.experiment.path, top)
