"""The judgement of a proof: which candidate wins, what it gains in every goal, and whether it is better."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.proof.bootstrap import align_seeds
from analysis.proof.candidate import Candidate, make_candidate, mean_value
from analysis.proof.power import seeds_to_decide
from analysis.proof.result import UNKNOWN_GAIN, Proof
from analysis.proof.statistics import Gain, best_gain
from analysis.proof.verdict import GoalGain, decide
from trainables.measuring.ranges import metric_range
from trainables.objective import Goal, Objective


def judge(
    search: Experiment,
    trainings: Experiment,
    goal: Goal | None,
    plan: Collection[tuple[str, int]],
    margin: float | None = None,
) -> Proof:
    """Judge the trainings of a proof that have ended so far.

    Args:
        search: the run that is to be proved.
        trainings: the proof's folder, read as a run.
        goal: the goal to judge by; None: all, by the rule of the space.
        plan: origin and seed of the trainings that count; others, planned by an earlier call, are left out.
        margin: the smallest gain of interest, in the unit of the goal that decides; None: as in `best_gain`.

    Returns:
        The proof. Its winner is the best of the candidates that keep the constraints on average and failed on no seed;
        where there are none, of those that share most seeds with the default, which may have failed as well.
    """
    objective = search.objective
    rule = (goal,) if goal else objective.goals
    candidates, default = _group_trainings(search, trainings, rule[0], plan)
    epochs = trainings.space.budget.max_epochs
    proof = Proof(rule[0], epochs, candidates, default, rule="" if len(rule) == 1 else objective.rule)
    eligible = _select_eligible(candidates, default, rule)
    if not eligible or not default.values:
        return proof
    winner = _choose_winner(eligible, default, rule, objective)
    decider = next((member for member in rule if not member.give_up), rule[-1])
    margins = {**dict.fromkeys([*rule, *objective.goals]), decider: margin}
    goals = [_measure(eligible, default, winner, *goal_margin) for goal_margin in margins.items()]
    decision = decide(goals[: len(rule)])
    seed_count = None
    if decision.verdict == "not decided":
        seed_count = _count_needed_seeds(eligible, default, goals[: len(rule)], decider, margin)
    parts: dict[str, Any] = {"goals": tuple(goals), "decision": decision, "needed_seeds": seed_count, "margin": margin}
    return Proof(proof.goal, epochs, candidates, default, eligible[winner].trial, rule=proof.rule, **parts)


def _group_trainings(
    search: Experiment, trainings: Experiment, goal: Goal, plan: Collection[tuple[str, int]]
) -> tuple[tuple[Candidate, ...], Candidate]:
    """Group the trainings of the plan by their settings: the candidates in the order of their trials, and the default.

    Args:
        goal: the goal whose metric is a candidate's `values`.
    """
    trials = trainings.trials
    in_plan = np.array([key in plan for key in zip(trials["origin"], trials["seed"], strict=True)], dtype=bool)
    trials = trials[in_plan].drop_duplicates(["origin", "seed"], keep="last")  # a repeated training counts once
    configs = [
        make_candidate(parse_origin(str(origin)), rows, search, goal) for origin, rows in trials.groupby("origin")
    ]
    default = next((config for config in configs if config.trial == 0), Candidate(0, {}, (), None, None, {}))
    return tuple(sorted((config for config in configs if config.trial), key=lambda config: config.trial)), default


def parse_origin(origin: str) -> int:
    """Return the trial that a training repeats, from its origin: `default` or `trial 21`."""
    return 0 if origin == "default" else int(origin.removeprefix("trial "))


def _select_eligible(candidates: Sequence[Candidate], default: Candidate, rule: Sequence[Goal]) -> list[Candidate]:
    """Select those that may win: feasible and without a failure, or else those that share most seeds with default."""
    complete = [item for item in candidates if all(item.goal_values[goal.metric] for goal in rule)]
    eligible = [item for item in complete if item.feasible and not item.failed]
    if eligible or not complete:
        return eligible
    seeds = {item.trial: frozenset(item.values) & frozenset(default.values) for item in complete}
    largest = max(seeds.values(), key=len)
    return [item for item in complete if seeds[item.trial] >= largest]


def _choose_winner(
    eligible: Sequence[Candidate], default: Candidate, rule: Sequence[Goal], objective: Objective
) -> int:
    """Choose the index of the best by the means over the seeds that all share: by the rule, or in the only goal."""
    columns = []
    for goal in rule:
        values, _ = align_seeds(*_results(eligible, default, goal))
        has_shared = values.shape[1] > 0
        columns.append(
            goal.sign * values.mean(axis=1)
            if has_shared
            else np.array([mean_value(item.goal_values[goal.metric]) for item in eligible])
        )
    if len(rule) == 1:
        return int((rule[0].sign * columns[0]).argmax())
    return objective.choose(np.stack(columns, axis=1).tolist()) or 0


def _results(
    eligible: Sequence[Candidate], default: Candidate, goal: Goal, shift: float = 0.0
) -> tuple[list[dict[int, float]], dict[int, float]]:
    """Return the values of candidates and default by seed, larger is better, the candidates' with a shift."""
    values = [
        {seed: goal.sign * value + shift for seed, value in item.goal_values[goal.metric].items()} for item in eligible
    ]
    return values, {seed: goal.sign * value for seed, value in default.goal_values.get(goal.metric, {}).items()}


def _measure(
    eligible: Sequence[Candidate], default: Candidate, winner: int, goal: Goal, margin: float | None
) -> GoalGain:
    """Measure the winner's gain in a goal; it is not known where a value is missing throughout."""
    values, control = _results(eligible, default, goal)
    best = eligible[winner]
    means = mean_value(best.goal_values[goal.metric]), mean_value(default.goal_values.get(goal.metric, {}))
    gain: Gain = UNKNOWN_GAIN
    if control and all(values):
        results = [goal.sign * value for row in (*values, control) for value in row.values()]
        width = metric_range(goal.metric, results).width
        _, gain = best_gain(values, control, winner=winner, smallest=margin, width=width)
    return GoalGain.of(goal, gain, *means)


def _count_needed_seeds(
    eligible: Sequence[Candidate],
    default: Candidate,
    goals: Sequence[GoalGain],
    decider: Goal,
    margin: float | None,
) -> int | None:
    """Count the seeds with which every goal would be decided; None where they are too many.

    A goal with a tolerance is decided where its interval excludes a loss, or a gain, of that size.
    """
    counts: list[int | None] = []
    for entry in goals[: [item.goal for item in goals].index(decider) + 1]:
        low, high, tolerance = entry.gain.low, entry.gain.high, entry.tolerance
        if entry.goal == decider:
            if entry.gain.verdict == "not decided":
                counts.append(seeds_to_decide(*_results(eligible, default, entry.goal), margin))
            continue
        for bound in (tolerance, -tolerance):  # a loss of the tolerance, then a gain of it
            if not math.isnan(low) and low < -bound < high:
                counts.append(seeds_to_decide(*_results(eligible, default, entry.goal, bound), 0.0))
    finite = [count for count in counts if count is not None]
    return max(finite) if finite and len(finite) == len(counts) else None
