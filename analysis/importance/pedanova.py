"""How far the best trials' settings differ from all trials' settings: Optuna's PED-ANOVA, less what chance alone gives.

Source: Watanabe, Bansal and Hutter 2023, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
subspaces; conditional settings as in Optuna 5.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.design import Design

BEST_SHARE = 0.1
FEWEST = 10
"""The best trials are this share, but not fewer than this: a density over five trials is noise."""

CHANCES = 5
"""Shuffled copies of the trials that the replicates take in turns."""


def divergences(experiment: Experiment, made: Design, replicates: int, seed: int) -> np.ndarray:
    """The importances over bootstrap samples of the trials, each less that of the same sample with shuffled settings.

    A divergence between two samples is above 0 even if a setting does nothing, so a copy in which every setting is
    dealt out anew, among the trials to which it applies, says how much of it is chance.

    Returns:
        (replicates, settings); below 0 where chance alone gave more.
    """
    rng = np.random.default_rng(seed)
    rows = _rows(experiment, made)
    within = [place for place, row in enumerate(rows) if not experiment.space.outside(row)]  # the default may not be
    rows, values = [rows[place] for place in within], made.y[within]
    kinds = dict(zip(made.names, made.kinds, strict=True))
    given = _study(rows, kinds, values)
    chances = [_study(_shuffled(rows, made.names, rng), kinds, values) for _ in range(CHANCES)]
    share = max(BEST_SHARE, FEWEST / len(rows))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    found = np.zeros((replicates, len(made.names)))
    for index in range(replicates):
        drawn = rng.integers(len(rows), size=len(rows))
        chance = _evaluated(evaluator, chances[index % CHANCES], drawn, made.names)
        found[index] = _evaluated(evaluator, given, drawn, made.names) - chance
    return found


def _rows(experiment: Experiment, made: Design) -> list[dict[str, Any]]:
    """Each trial's settings as Optuna has them."""
    settings = experiment.settings.loc[made.trials]
    columns = []
    for column, (name, kind) in enumerate(zip(made.names, made.kinds, strict=True)):
        if hasattr(kind, "choices"):
            columns.append([None if np.isnan(place) else (kind.choices[int(place)],) for place in made.x[:, column]])
        else:
            number = int if isinstance(kind.high, int) else float
            values = pd.to_numeric(settings[name], errors="coerce")
            columns.append([None if np.isnan(value) else (number(value),) for value in values])
    return [
        {name: value[0] for name, value in zip(made.names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _study(rows: list[dict[str, Any]], kinds: dict[str, Any], values: np.ndarray) -> Any:
    """A study of these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.create_trial(params=row, distributions={name: kinds[name] for name in row}, value=float(value))
            for row, value in zip(rows, values, strict=True)
        ]
    )
    return study


def _shuffled(rows: list[dict[str, Any]], names: list[str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """The rows with every setting dealt out anew among those that have it."""
    shuffled: list[dict[str, Any]] = [{} for _ in rows]
    for name in names:
        places = [place for place, row in enumerate(rows) if name in row]
        for place, other in zip(places, rng.permutation(places), strict=True):
            shuffled[place][name] = rows[other][name]
    return shuffled


def _evaluated(evaluator: Any, study: Any, drawn: np.ndarray, names: list[str]) -> np.ndarray:
    """The importances over some of a study's trials, which may be drawn more than once."""
    trials = type(study).get_trials(study, deepcopy=False)
    sample = [trials[place] for place in drawn]
    study.get_trials = lambda deepcopy=True, states=None: sample  # a study cannot hold a trial twice
    known = {name for trial in sample for name in trial.params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a setting that applies to one drawn trial counts as nothing here
        found = evaluator.evaluate(study, [name for name in names if name in known])
    return np.array([found.get(name, 0.0) for name in names])
