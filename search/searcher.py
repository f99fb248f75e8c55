"""The rung-aware searcher: one model of the objective per rung, and the adapter that Ray calls.

A trial that was stopped at epoch 3 has no result at epoch 9, so results of different epochs are never mixed: a new
config is proposed by the model of the highest rung that has enough results (the idea of BOHB, Falkner et al. 2018,
section 3, with Optuna's multivariate TPE in place of its kernel density). The model of a rung is given:

  * trials that reached the rung: their objective there and, if the rung is their end, their violations of the
    constraints: a constraint concerns the end of a training, and may be violated on the way there;
  * trials that stopped themselves before (patience, collapse): their last objective, at which they had settled, where
    the rung lies in the stage that they ended in: of a later stage it says nothing;
  * trials that have not reached the rung yet, or were stopped below it or in an earlier stage: as running, which the
    sampler takes for bad trials without a result. Left out, the stopped ones would leave regions that look unexplored,
    and draw proposals there; as pruned trials they would enlarge the sampler's good group, a share of all results;
  * failed trials: pruned without a value, the worst there is, so that proposals keep away from them;
  * trials that the environment failed (a full disk): what they reported at the rung, if they got there. Their failure
    says nothing about their settings.

`propose` is a function of the board, the seed and the trial's number: no hidden state, so a resumed run proposes what
an uninterrupted one would have.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search import Searcher

from search.board import Board, Proposal
from search.record import TrialRecord
from search.space import Space
from trainables.standing import is_settled, reaches

MAX_DRAWS = 100


def propose(board: Board, seed: int, number: int) -> Proposal:
    """Propose the parameters of trial `number`, with their origin: `default`, `random` or `model of epoch E`."""
    space = board.space
    if number == 0:
        return Proposal(space.default_params(), "default")
    generator = np.random.default_rng([seed, number])
    draw, sampler_seed = generator.random(), int(generator.integers(2**31))
    rung = _highest_rung(board)
    if space.searcher.kind == "random" or rung is None or draw < space.searcher.random_share:
        return Proposal(_ask(space, RandomSampler(sampler_seed), []), "random")
    conditional = any(dimension.when for dimension in space.dimensions)
    with warnings.catch_warnings():  # `group` is experimental; without it, conditional dimensions are independent
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(n_startup_trials=0, multivariate=True, group=conditional, seed=sampler_seed)
    return Proposal(_ask(space, sampler, observations(board, rung)), f"model of epoch {rung}")


def observations(board: Board, rung: int) -> list[FrozenTrial]:
    """List the observations of a rung's model, as Optuna trials in the order of their numbers."""
    trials = [_observation(board, trial, rung) for trial in board.trials.values()]
    return [trial for trial in trials if trial is not None]


class BoardSearcher(Searcher):
    """Gives Ray the trials that an earlier process left unfinished, then new ones."""

    def __init__(self, board: Board, proposal: Callable[[int], Proposal]) -> None:
        """Take the board, and the function from a trial's number to its proposal."""
        super().__init__()
        self.board = board
        self.proposal = proposal

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Suggest the next trial's number and parameters; None while there is none, though there may be one later."""
        if self.board.waiting:
            trial = self.board.trials[self.board.waiting.pop(0)]
        elif self.board.next_number < self.board.space.budget.trials:
            trial = self.board.begin(*self.proposal(self.board.next_number))
        elif self.board.count("running"):
            return None  # one of them may have to be restarted
        else:
            return str(Searcher.FINISHED)  # type: ignore[return-value]
        return {"trial": trial.number, "params": trial.params, "origin": trial.origin, "seed": trial.seed}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler tells the board."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the run's record is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the run's record is the state."""


def _highest_rung(board: Board) -> int | None:
    """Return the highest rung with enough results for a model; several goals are compared at the end alone."""
    rungs = board.space.budget.rungs[-1:] if board.space.objective.is_multi else board.space.budget.rungs
    for rung in reversed(rungs):
        states = [trial.state for trial in observations(board, rung)]
        if states.count(TrialState.COMPLETE) >= board.space.searcher.min_results:
            return rung
    return None


def _observation(board: Board, trial: TrialRecord, rung: int) -> FrozenTrial | None:
    space = board.space
    if space.outside(trial.params):
        return None  # the default config may lie outside of the space, and the model knows only the inside
    arguments: dict[str, Any] = {"params": trial.params, "distributions": space.distributions(trial.params)}
    if trial.status == "failed" and trial.cause != "environment":
        return create_trial(**arguments, state=TrialState.PRUNED)
    report = trial.at(rung)
    is_final = is_settled(trial.status, trial.cause)
    if report is None and is_final and reaches(trial.reports[-1], rung):
        report = trial.reports[-1]
    if report is not None:
        constraints = _violations(space, report) if is_final and report is trial.reports[-1] else {}
        return create_trial(**arguments, values=space.objective.values(report), constraints=constraints)
    if trial.status == "failed":
        return None
    return create_trial(**arguments, state=TrialState.RUNNING)  # has not reached the rung, or was stopped below it


def _violations(space: Space, report: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(space.objective.constraints, space.objective.violations(report), strict=True))


def _ask(space: Space, sampler: BaseSampler, trials: list[FrozenTrial]) -> dict[str, Any]:
    """Ask for parameters of a possible config; of `MAX_DRAWS` impossible ones the last, whose trial says why it fails.

    The sampler is told of impossible ones as of failed trials, so that a model keeps away from them.
    """
    directions = ["maximize" if goal.mode == "max" else "minimize" for goal in space.objective.goals]
    study = optuna.create_study(sampler=sampler, directions=directions)
    study.add_trials(trials)
    for _ in range(MAX_DRAWS):
        trial = study.ask()
        params = space.sample(trial)
        if space.refusal(params) is None:
            break
        study.tell(trial, state=TrialState.PRUNED)
    return params


optuna.logging.set_verbosity(optuna.logging.WARNING)
