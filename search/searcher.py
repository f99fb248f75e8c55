"""The rung-aware searcher: one model of the objective per rung, and the adapter that Ray calls.

A trial that was stopped at epoch 3 says nothing about epoch 9, so results of different epochs are never mixed: a new
config is asked of the highest rung that has enough results (the idea of BOHB, Falkner et al. 2018, section 3, with
Optuna's multivariate TPE in place of its kernel density). What each rung's model sees:

  * trials that reached the rung: their objective there, and by how much they violate the constraints, if it is their
    end: a constraint is one on what a training ends with, and on the way there it may be violated;
  * trials that stopped themselves before (patience, collapse): their last objective, at which they had settled;
  * trials still on their way, and trials stopped on it: running, which the sampler counts as bad without a result;
    were the stopped ones left out, it would be drawn to where it knows nothing because everything there is stopped,
    and as pruned trials they would enlarge its good group, a share of all results, beyond what deserves the name;
  * failed trials: pruned without a value, the worst there is, so that it keeps away from them.

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


def propose(board: Board, seed: int, number: int) -> Proposal:
    """The parameters of trial `number`, and where they come from: `default`, `random` or `model of epoch E`."""
    space = board.space
    if number == 0:
        return Proposal(space.default_params(), "default")
    generator = np.random.default_rng([seed, number])
    draw, sampler_seed = generator.random(), int(generator.integers(2**31))
    rung = _highest_rung(board)
    if space.searcher.kind == "random" or rung is None or draw < space.searcher.random_share:
        return Proposal(_ask(space, RandomSampler(sampler_seed), []), "random")
    conditional = any(dimension.when for dimension in space.dimensions)
    with warnings.catch_warnings():  # `group` is marked experimental; without it conditions fall out of the joint model
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(n_startup_trials=0, multivariate=True, group=conditional, seed=sampler_seed)
    return Proposal(_ask(space, sampler, observations(board, rung)), f"model of epoch {rung}")


def observations(board: Board, rung: int) -> list[FrozenTrial]:
    """What the model of a rung is told, as Optuna trials in the order of their numbers."""
    seen = [_observation(board, trial, rung) for trial in board.trials.values()]
    return [trial for trial in seen if trial is not None]


class BoardSearcher(Searcher):
    """Gives Ray first the trials that an earlier process left unfinished, then new ones."""

    def __init__(self, board: Board, proposal: Callable[[int], Proposal]) -> None:
        """`proposal` says what trial N is to be."""
        super().__init__()
        self.board = board
        self.proposal = proposal

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next trial's number and parameters; None while there is none, though there may be one later."""
        if self.board.waiting:
            trial = self.board.trials[self.board.waiting.pop(0)]
        elif self.board.next_number < self.board.space.budget.trials:
            trial = self.board.begin(*self.proposal(self.board.next_number))
        elif self.board.count("running"):
            return None  # one of them may have to be given again
        else:
            return str(Searcher.FINISHED)  # type: ignore[return-value]
        return {"trial": trial.number, "params": trial.params, "origin": trial.origin, "seed": trial.seed}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the board hears of it from the scheduler."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the run's record is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the run's record is the state."""


def _highest_rung(board: Board) -> int | None:
    """The highest rung with enough results for a model; several objectives are compared at the end alone."""
    rungs = board.space.budget.rungs[-1:] if board.space.objective.several else board.space.budget.rungs
    for rung in reversed(rungs):
        states = [trial.state for trial in observations(board, rung)]
        if states.count(TrialState.COMPLETE) >= board.space.searcher.min_results:
            return rung
    return None


def _observation(board: Board, trial: TrialRecord, rung: int) -> FrozenTrial | None:
    space = board.space
    if space.outside(trial.params):
        return None  # the default config may lie outside what is searched; the model knows only the inside
    known: dict[str, Any] = {"params": trial.params, "distributions": space.distributions(trial.params)}
    if trial.status == "failed":
        return create_trial(**known, state=TrialState.PRUNED)
    report = trial.at(rung)
    settled = trial.status == "finished" or trial.cause in ("patience", "health")
    if report is None and settled:
        report = trial.reports[-1]
    if report is not None:
        constraints = _violations(space, report) if settled and report is trial.reports[-1] else {}
        return create_trial(**known, values=space.objective.values(report), constraints=constraints)
    return create_trial(**known, state=TrialState.RUNNING)  # on its way, or stopped on it


def _violations(space: Space, report: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(space.objective.constraints, space.objective.violations(report), strict=True))


def _ask(space: Space, sampler: BaseSampler, seen: list[FrozenTrial]) -> dict[str, Any]:
    directions = ["maximize" if goal.mode == "max" else "minimize" for goal in space.objective.goals]
    study = optuna.create_study(sampler=sampler, directions=directions)
    study.add_trials(seen)
    return space.sample(study.ask())


optuna.logging.set_verbosity(optuna.logging.WARNING)
