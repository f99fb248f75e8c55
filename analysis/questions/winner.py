"""Questions about the best trials of a run: their gain on the default, their lead, the front, and their health."""

from __future__ import annotations

import pandas as pd

from analysis.questions import proof
from analysis.questions.answer import Outcome, proof_command
from analysis.questions.evidence import CLEAR_SCATTERS, Evidence
from analysis.wording import capitalise, format_count, format_digits, format_share, inflect, join_trials, join_words

SCATTERS_WORTH_PROVING = 5.0
"""Scatters by which the best trial must beat the default to be worth a proof: the best of hundreds of equal trials lies
three above their mean, and two results differ by up to about two more by chance. It proves nothing: the scatter between
seeds is larger than that between epochs, on chest X-rays five times as large."""

MAX_TROUBLE = 0.5
"""Share of trials with findings or violations above which these are a problem of the run, not of a trial."""


def judge_gain(evidence: Evidence) -> Outcome:
    """Judge whether the best trial beats the default settings; without a proof never for certain."""
    experiment, best = evidence.experiment, evidence.top[0]
    if experiment.proof:
        return proof.judge_winner(experiment.proof, experiment.path)
    if not evidence.is_feasible(best):
        return "bad", _describe_infeasibility(evidence)
    if experiment.default is None:
        return _judge_without_default(evidence)
    if evidence.lookup(0, "status") == "running":
        return "unknown", _describe_running_default(evidence)
    return _judge_best_default(evidence) if best == 0 else _judge_against_default(evidence)


def _judge_against_default(evidence: Evidence) -> Outcome:
    experiment, best = evidence.experiment, evidence.top[0]
    values = f"{_describe_best(evidence)}, the default {format_digits(evidence.value(0))}"
    if not evidence.is_feasible(0):
        violation = _describe_violation(evidence, 0)
        return "careful", (
            f"{values}, but the default {violation}, so a trial that keeps the constraints is better, if it keeps them "
            f"on other seeds: {_command(evidence)}"
        )
    gain = evidence.gain(best, 0)
    caveat = _describe_weak_default(evidence)
    if evidence.scatter is None:
        return (
            "careful",
            f"{values}; the curves are too short to measure noise.{caveat} To test whether the gain holds: "
            f"{_command(evidence)}",
        )
    size = _describe_size(gain, evidence.scatter)
    if gain > SCATTERS_WORTH_PROVING * evidence.scatter:
        return "careful", (
            f"{values}: better by {format_digits(gain)}, {size}.{caveat} One seed does not prove it; this does: "
            f"{_command(evidence)}"
        )
    return "careful", (
        f"{values}: better by only {format_digits(gain)}, {size}, after choosing the best of "
        f"{format_count(len(experiment.ranking), 'trial')}.{caveat} To test whether the gain holds: "
        f"{_command(evidence)}"
    )


def judge_noise(evidence: Evidence) -> Outcome:
    """Judge whether the best trials differ by more than noise; without a proof over several seeds never for certain."""
    if evidence.experiment.proof:
        return proof.judge_lead(evidence.experiment.proof)
    best, scatter = evidence.top[0], evidence.scatter
    rivals = [trial for trial in evidence.top[1:] if evidence.is_feasible(trial) == evidence.is_feasible(best)]
    if scatter is None or not rivals:
        reason = "The curves are too short to measure noise" if rivals else f"#{best} has no trial to be compared with"
        return "unknown", f"{reason}. Several seeds can tell: {_command(evidence)}"
    gaps = [evidence.gain(best, rival) for rival in rivals]
    close_rivals = [rival for rival, gap in zip(rivals, gaps, strict=True) if gap <= CLEAR_SCATTERS * scatter]
    spread = format_digits(gaps[0]) if len(gaps) == 1 else f"{format_digits(gaps[0])} to {format_digits(gaps[-1])}"
    lead = f"#{best} leads {join_trials(rivals)} by {spread}{_describe_lead_on_default(evidence)}"
    noise = f"from epoch to epoch the best trials scatter by {format_digits(scatter)}, and seeds differ by more"
    if not close_rivals:
        conclusion = f"The lead is over {CLEAR_SCATTERS:g} times that, which one seed cannot prove; several can"
    else:
        conclusion = f"One seed cannot tell #{best} from {join_trials(close_rivals)}; several can"
    return "careful", f"{lead}; {noise}. {conclusion}: {_command(evidence, max(3, len(close_rivals) + 1))}"


def judge_front(evidence: Evidence) -> Outcome:
    """Judge the front of several goals: how many trials are on it, and whether the default is one of them."""
    experiment = evidence.experiment
    goals = experiment.objective.goals
    if not experiment.front:
        return "unknown", "No trial has trained its whole budget yet, so there is no front."
    members = experiment.trials.loc[experiment.front]
    columns = [goal.sign * members[goal.metric] for goal in goals]
    ends = [(int(values.index[int(values.argmax())]), goal.metric) for values, goal in zip(columns, goals, strict=True)]
    best = join_words([f"{metric} {format_digits(members[metric][trial])} (#{trial})" for trial, metric in ends])
    count = int(experiment.is_final.sum())
    total = f"of {count:,} that trained to {inflect(count, 'its', 'their')} end"
    size = f"The front has {format_count(len(members), 'trial')}, {total}; the best there: {best}"
    if experiment.choice is None:
        return "bad", f"{size}. None keeps the constraints."
    if len(members) == 1:
        return "careful", f"{size}. One trial leads in every goal, so the goals do not conflict: one would do."
    if 0 in members.index:
        return "careful", f"{size}. The default is on it: no trial is better in one goal without a loss in another."
    choice = f"Of these #{experiment.choice} is chosen, as the space says: {experiment.objective.rule}."
    if not experiment.objective.has_tolerance:
        choice = "Choose by what a goal is worth to you; give_up in the space declares it."
    return "good", f"{size}. {_describe_dominance(evidence, members)} {choice}"


def judge_health(evidence: Evidence) -> Outcome:
    """Judge the health findings and constraints of the best trials, and of the run."""
    experiment, best = evidence.experiment, evidence.top[0]
    if not evidence.is_feasible(best):
        return "bad", _describe_infeasibility(evidence)
    findings = experiment.findings
    at_best = findings[findings["epoch"] == findings["trial"].map(experiment.trials["best_epoch"])]
    messages = {int(trial): str(message) for trial, message in zip(at_best["trial"], at_best["message"], strict=True)}
    if best in messages:
        return "bad", f"At its best epoch #{best} had a finding: {messages[best]}"
    totals = _describe_totals(evidence)
    for trial in evidence.top:
        if trial in messages:
            finding = f"at its best epoch #{trial} had a finding: {messages[trial]}"
            return "careful", f"#{best} is healthy, but {finding} {totals}"
    share = findings["trial"].nunique() / len(experiment.trials)
    violations = experiment.trials.loc[experiment.ranking, "violation"]
    has_trouble = share > MAX_TROUBLE or (violations > 0).mean() > MAX_TROUBLE
    count = len(evidence.top)
    subject, epochs = inflect(count, "trial", f"{count} trials"), inflect(count, "its best epoch", "their best epochs")
    sentence = f"The best {subject} had no finding at {epochs}. {totals}"
    return ("careful", f"{sentence} The ranges may reach too far.") if has_trouble else ("good", sentence)


def _describe_infeasibility(evidence: Evidence) -> str:
    best = evidence.top[0]
    metrics = " or ".join(f"constraints.{metric}" for metric in evidence.experiment.objective.constraints)
    return (
        f"No trial keeps the constraints: even #{best} {_describe_violation(evidence, best)}. "
        f"Search where they can be kept, or start a run with a larger bound for {metrics}."
    )


def _describe_violation(evidence: Evidence, trial: int) -> str:
    """Describe by what a trial violates the constraints at its best epoch."""
    violations = evidence.experiment.violations(trial)
    return f"has {join_words(violations)}" if violations else "does not keep them"


def _describe_best(evidence: Evidence) -> str:
    best = evidence.top[0]
    return f"#{best} has {evidence.metric} {format_digits(evidence.value(best))}"


def _judge_without_default(evidence: Evidence) -> Outcome:
    result = _describe_best(evidence)
    if 0 not in evidence.experiment.trials.index:
        return "unknown", f"{result}; there is no default trial to compare it with."
    if evidence.lookup(0, "status") == "failed":
        reason = str(evidence.lookup(0, "reason") or "without a reason").rstrip(".")
        return "careful", f"{result}; the default failed ({reason}), so there is nothing to compare it with."
    if 0 in evidence.experiment.excluded:
        return "unknown", f"{result}; {evidence.experiment.default_note}."
    return "unknown", f"{result}; the default has no result yet."


def _describe_running_default(evidence: Evidence) -> str:
    budget = evidence.experiment.space.budget.max_epochs
    result = _describe_best(evidence) if evidence.top[0] else "No trial is better so far"
    return (
        f"{result}; the default is at epoch {evidence.lookup(0, 'epochs')} of {budget}, so it is too early to compare."
    )


def _judge_best_default(evidence: Evidence) -> Outcome:
    count = len(evidence.experiment.ranking) - 1
    result = f"The default has {evidence.metric} {format_digits(evidence.value(0))}"
    if not count:
        return "unknown", f"{result}, and no other trial has a result yet."
    return "bad", (
        f"{result}, and none of {format_count(count, 'other trial')} is better: keep the default settings, give the "
        "search more trials, or narrow its ranges around them."
    )


def _describe_weak_default(evidence: Evidence) -> str:
    """Warn of a default trial that never improved after its first epoch, because it is easy to beat."""
    epochs = evidence.lookup(0, "epochs")
    if note := evidence.experiment.default_note:
        return f" {capitalise(note)}, so it is compared with less than its budget."
    if epochs > 1 and evidence.lookup(0, "best_epoch") == 1:
        return (
            f" The default is best at epoch 1 of {epochs}: it does not learn in this budget, so the difference "
            f"says less about #{evidence.top[0]} than about the default."
        )
    return ""


def _describe_size(gain: float, scatter: float) -> str:
    factor = f"{gain / scatter:.1f}" if scatter > gain / 100 else "over 100"
    size = f"{factor} times the scatter from epoch to epoch ({format_digits(scatter)})"
    return f"{size}, which is the least that seeds differ by"


def _describe_lead_on_default(evidence: Evidence) -> str:
    default = evidence.experiment.default
    if default is None or default in evidence.top or not evidence.is_feasible(default):
        return ""
    return f" and the default by {format_digits(evidence.gain(evidence.top[0], default))}"


def _describe_dominance(evidence: Evidence, members: pd.DataFrame) -> str:
    if evidence.experiment.default is None:
        return "The default has no result to compare with."
    is_ahead, trials = pd.Series(True, index=members.index), evidence.experiment.trials
    for goal in evidence.experiment.objective.goals:
        is_ahead &= goal.sign * members[goal.metric] >= goal.sign * float(trials[goal.metric][0])
    ahead = [int(trial) for trial in members.index[is_ahead]]
    if not ahead:
        return ""
    return f"{join_trials(ahead[:3])} {inflect(len(ahead), 'beats', 'beat')} the default in every goal."


def _describe_totals(evidence: Evidence) -> str:
    """Describe findings and constraints of the whole run."""
    experiment = evidence.experiment
    trials = len(experiment.trials)
    findings = experiment.findings.drop_duplicates(["trial", "check"])
    sentence = "No trial had any."
    if len(findings):
        check = findings["check"].value_counts()
        count = findings["trial"].nunique()
        subject = f"{format_share(count / trials)} of {format_count(trials, 'trial')}"
        sentence = f"{inflect(trials, 'The only trial', subject)} had one at some epoch"
        sentence += f", most often '{check.index[0]}' ({check.iloc[0]})."
    if experiment.objective.constraints:
        share = (experiment.trials.loc[experiment.ranking, "violation"] == 0).mean()
        sentence += f" {format_share(share)} of those with a result keep the constraints."
    return sentence


def _command(evidence: Evidence, top: int = 3) -> str:
    return proof_command(evidence.experiment.path, top)
