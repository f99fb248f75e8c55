"""How far the best trials' settings differ from all trials' settings: Optuna's PED-ANOVA, less the part due to chance.

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
MIN_BEST_TRIALS = 10
"""The best trials are this share of all, but at least so many: a density over five trials is noise."""

SHUFFLED_STUDIES = 5
"""Shuffled copies of the trials, which the replicates use in turn."""


def divergences(experiment: Experiment, design: Design, replicates: int, seed: int) -> np.ndarray:
    """Estimate importances over bootstrap samples of the trials, each less that of the sample with shuffled settings.

    A divergence between two samples is above 0 even if a setting does nothing, so a copy in which every setting is
    permuted among the trials to which it applies shows how much of it is chance.

    Returns:
        (replicates, settings); below 0 where chance alone gave more.
    """
    rng = np.random.default_rng(seed)
    rows = _optuna_params(experiment, design)
    # the default settings may lie outside of the searched ranges, which Optuna refuses
    inside = [index for index, row in enumerate(rows) if not experiment.space.outside(row)]
    rows, values = [rows[index] for index in inside], design.y[inside]
    distributions = dict(zip(design.names, design.distributions, strict=True))
    study = _study(rows, distributions, values)
    shuffled_studies = [
        _study(_shuffle_settings(rows, design.names, rng), distributions, values) for _ in range(SHUFFLED_STUDIES)
    ]
    share = max(BEST_SHARE, MIN_BEST_TRIALS / len(rows))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    differences = np.zeros((replicates, len(design.names)))
    for index in range(replicates):
        sample = rng.integers(len(rows), size=len(rows))
        baseline = _evaluate_sample(evaluator, shuffled_studies[index % SHUFFLED_STUDIES], sample, design.names)
        differences[index] = _evaluate_sample(evaluator, study, sample, design.names) - baseline
    return differences


def _optuna_params(experiment: Experiment, design: Design) -> list[dict[str, Any]]:
    """Convert each trial's settings to Optuna's parameters."""
    settings = experiment.settings.loc[design.trials]
    columns = []
    for column, (name, distribution) in enumerate(zip(design.names, design.distributions, strict=True)):
        if hasattr(distribution, "choices"):
            indices = design.x[:, column]
            columns.append([None if np.isnan(index) else (distribution.choices[int(index)],) for index in indices])
        else:
            to_number = int if isinstance(distribution.high, int) else float
            values = pd.to_numeric(settings[name], errors="coerce")
            columns.append([None if np.isnan(value) else (to_number(value),) for value in values])
    return [
        {name: value[0] for name, value in zip(design.names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _study(rows: list[dict[str, Any]], distributions: dict[str, Any], values: np.ndarray) -> Any:
    """Build a study of these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.create_trial(
                params=row, distributions={name: distributions[name] for name in row}, value=float(value)
            )
            for row, value in zip(rows, values, strict=True)
        ]
    )
    return study


def _shuffle_settings(rows: list[dict[str, Any]], names: list[str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Permute every setting among the trials that have it."""
    copies: list[dict[str, Any]] = [{} for _ in rows]
    for name in names:
        indices = [index for index, row in enumerate(rows) if name in row]
        for index, source in zip(indices, rng.permutation(indices), strict=True):
            copies[index][name] = rows[source][name]
    return copies


def _evaluate_sample(evaluator: Any, study: Any, indices: np.ndarray, names: list[str]) -> np.ndarray:
    """Evaluate the importances over a sample of a study's trials, which may hold a trial more than once."""
    trials = type(study).get_trials(study, deepcopy=False)
    sample = [trials[index] for index in indices]
    study.get_trials = lambda deepcopy=True, states=None: sample  # a study cannot hold a trial twice
    active_names = {name for trial in sample for name in trial.params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a setting that applies to one trial of the sample counts as 0
        importances = evaluator.evaluate(study, [name for name in names if name in active_names])
    return np.array([importances.get(name, 0.0) for name in names])
