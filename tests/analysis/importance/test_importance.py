"""Importances and interactions of functions whose answer is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.frames.experiment import Experiment
from analysis.importance.estimates import MIN_TRIALS, Importances, estimate_importances
from analysis.importance.interaction import estimate_interaction
from search.record import RunFolder
from tests.support.simulated import space

NUMBERS = {"x": {"uniform": [0, 1]}, "y": {"uniform": [0, 1]}, "lr": {"loguniform": [1e-5, 1e-3]}}
CONDITIONAL = {
    "kind": {"choice": ["plain", "shifted"]},
    "shift": {"uniform": [0, 1], "when": {"kind": "shifted"}},
    "x": {"uniform": [0, 1]},
}


def draw_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Draw settings at random; lr uniformly in its logarithm."""
    kind = ["plain", "shifted"][rng.integers(2)]
    settings = {"x": rng.random(), "y": rng.random(), "lr": 10 ** rng.uniform(-5, -3), "kind": kind}
    return {**settings, "shift": rng.random()} if kind == "shifted" else settings


def build_run(value: Callable[[dict[str, Any]], float], trials: int, params: Any, **parts: Any) -> Experiment:
    """Build a run of one epoch per trial, whose value is a function of its settings."""
    searched_space = space(
        params=params, budget={"trials": max(1, trials), "max_epochs": 1, "grace_epochs": 1}, **parts
    )
    rng = np.random.default_rng(0)
    settings = [draw_settings(rng) for _ in range(trials)]
    values = np.array([value(setting) for setting in settings], float)
    numbers = pd.RangeIndex(trials, name="trial")
    rows = {"status": "finished", "cause": "budget", "value": values, "violation": 0.0, "stages_left": 0.0}
    reports = {"trial": np.arange(trials), "epoch": 1, "objective/value": values}
    return Experiment(
        folder=RunFolder(Path("nowhere")),
        space=searched_space,
        run={},
        environment={},
        trials=pd.DataFrame(rows, index=numbers),
        reports=pd.DataFrame(reports),
        settings=pd.DataFrame(settings, index=numbers, columns=list(params)),
        failures=pd.DataFrame(columns=["epochs", "reason"]),
        findings=pd.DataFrame(columns=["trial", "epoch", "check", "message"]),
    )


def additive(settings: dict[str, Any]) -> float:
    """Add up variances of 16 : 1; lr does nothing."""
    return 4 * settings["x"] + settings["y"]


def conditional(settings: dict[str, Any]) -> float:
    """Give the condition an effect of 1, its child one of 2 where it applies; x does nothing."""
    return 1 + 2 * settings["shift"] if settings["kind"] == "shifted" else 0.0


def product(settings: dict[str, Any]) -> float:
    return (settings["x"] - 0.5) * (settings["y"] - 0.5)


@pytest.fixture(scope="module")
def sums() -> Experiment:
    return build_run(additive, 200, NUMBERS)


@pytest.fixture(scope="module")
def found(sums) -> Importances:
    return estimate_importances(sums)


def test_an_additive_function_s_variances_come_back(found):
    assert (found.rung, found.trials) == (1, 200)
    assert found.explained_variance > 0.9
    table = found.table
    assert list(table.index) == ["x", "y", "lr"]
    assert table.loc["x", "forest"] == pytest.approx(16 / 17, abs=0.05)
    assert table.loc["y", "forest"] == pytest.approx(1 / 17, abs=0.05)
    assert table.loc["x", "pedanova"] > 0.7
    for estimator in ("forest", "pedanova"):
        low, middle, high = (table[f"{estimator}{end}"] for end in ("_low", "", "_high"))
        assert ((low >= 0) & (low <= middle) & (middle <= high) & (high <= 1)).all()
        assert middle.sum() == pytest.approx(1)
        assert low["lr"] == 0
        assert low["x"] > 0.5


def test_a_setting_counts_on_its_own_scale():
    experiment = build_run(lambda settings: np.log10(settings["lr"]) + settings["x"], 120, NUMBERS)
    table = estimate_importances(experiment).table
    assert table.loc["lr", "forest"] == pytest.approx(4 / 5, abs=0.1)  # 2 decades against 1
    assert table.index[0] == "lr"


def test_a_conditional_setting_counts_where_it_applies():
    experiment = build_run(conditional, 300, CONDITIONAL)
    table = estimate_importances(experiment).table
    # of the variance, 1 is between the kinds and 1/6 within: (2² / 12) / 2
    assert table.loc["kind", "forest"] == pytest.approx(6 / 7, abs=0.08)
    assert table.loc["shift", "forest"] == pytest.approx(1 / 7, abs=0.08)
    assert table.loc["x", ["forest_low", "pedanova_low"]].tolist() == [0, 0]
    assert table["pedanova"].idxmax() == "shift"  # the best are all shifted, and by most


def test_a_setting_that_few_trials_have_is_left_open():
    table = estimate_importances(build_run(conditional, 40, CONDITIONAL)).table
    assert np.isnan(table.loc["shift", ["pedanova", "pedanova_low", "pedanova_high"]].astype(float)).all()
    assert np.isfinite(table.loc[["kind", "x"]].to_numpy(float)).all()


def test_diverged_trials_do_not_decide_alone():
    """Three trials of a hundred diverge by lr; the others are ordered by x."""

    def value(settings: dict[str, Any]) -> float:
        return -1e6 if settings["lr"] > 10**-3.05 else settings["x"]

    table = estimate_importances(build_run(value, 150, NUMBERS)).table
    assert table.index[0] == "x"
    assert table.loc["x", "forest"] > 0.6


def test_what_nothing_explains_is_left_open():
    rng = np.random.default_rng(5)
    estimate = estimate_importances(build_run(lambda settings: rng.normal(), 60, NUMBERS))
    assert estimate.explained_variance <= 0
    assert estimate.table["forest"].isna().all()
    assert (estimate.table["pedanova_low"] == 0).all()
    assert estimate_importances(build_run(lambda settings: 0.5, 40, NUMBERS)) is None


def test_too_few_trials_have_no_importances():
    few = build_run(additive, MIN_TRIALS - 1, NUMBERS)
    assert estimate_importances(few) is None
    assert estimate_importances(build_run(additive, MIN_TRIALS, NUMBERS)).trials == MIN_TRIALS
    assert estimate_importances(build_run(additive, 0, NUMBERS)) is None


def test_the_order_of_trials_and_settings_is_none_of_its_business(sums, found):
    assert_frame_equal(estimate_importances(sums).table, found.table)
    assert not estimate_importances(sums, seed=1).table.equals(found.table)
    other_way = dict(reversed(NUMBERS.items()))
    permuted = build_run(additive, 200, other_way)
    reports = permuted.reports.iloc[::-1].reset_index(drop=True)
    settings = permuted.settings.iloc[::-1]
    reordered = Experiment(**{**fields_of(permuted), "reports": reports, "settings": settings})
    assert_frame_equal(estimate_importances(reordered).table, found.table)


def test_minimising_the_negative_is_the_same(sums, found):
    mode = {"metric": "val/score", "mode": "min"}
    lowest = build_run(lambda settings: -additive(settings), 200, NUMBERS, objective=mode)
    negative = estimate_importances(lowest)
    assert_frame_equal(negative.table, found.table)
    maximum, minimum = estimate_interaction(sums, found), estimate_interaction(lowest, negative)
    assert np.allclose(maximum.z, -minimum.z)


def test_a_product_is_an_interaction_and_a_sum_is_none(sums, found):
    separate = estimate_interaction(sums, found)
    assert separate.names == ("x", "y")
    assert separate.share < 0.02
    together = build_run(product, 300, {"x": NUMBERS["x"], "y": NUMBERS["y"]})
    joint = estimate_interaction(together, estimate_importances(together))
    assert joint.share > 0.7
    corners = joint.z[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (np.sign(corners) == [1, -1, -1, 1]).all()


def test_the_surface_lies_on_the_settings_own_scale():
    experiment = build_run(lambda settings: 2 * np.log10(settings["lr"]) + (settings["kind"] == "plain"), 120, MIXED)
    surface = estimate_interaction(experiment, estimate_importances(experiment))
    assert surface.names == ("lr", "kind")
    assert surface.z.shape == (2, len(surface.x))
    assert surface.y == ["plain", "shifted"]
    assert 1e-5 < min(surface.x) < 2e-5
    assert 5e-4 < max(surface.x) < 1e-3
    assert (surface.z[0] > surface.z[1]).all()
    assert (np.diff(surface.z[:, ::4]) > 0).all()


def test_a_setting_and_its_condition_are_no_pair():
    experiment = build_run(conditional, 120, CONDITIONAL)
    assert set(estimate_interaction(experiment, estimate_importances(experiment)).names) != {"kind", "shift"}
    alone = {name: spec for name, spec in CONDITIONAL.items() if name != "x"}
    experiment = build_run(conditional, 120, alone)
    assert estimate_interaction(experiment, estimate_importances(experiment)) is None


def fields_of(experiment: Experiment) -> dict[str, Any]:
    """Collect the fields of an experiment, without its cached properties."""
    return {name: getattr(experiment, name) for name in Experiment.__dataclass_fields__}


MIXED = {"lr": NUMBERS["lr"], "kind": CONDITIONAL["kind"]}
