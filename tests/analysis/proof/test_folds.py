"""Folds in a comparison: one arm, paired by fold, with an interval that knows that folds share training images."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.compare import answer_pairs, build_page, group_by_goal
from analysis.page.blocks import Table
from analysis.proof.arms import group_arms
from analysis.proof.folds import fold_gain, fold_interval
from tests.support.arms import search_arm
from tests.support.simulated import PARAMS
from trainables.entropy_reg.config import Data
from trainables.measuring.ranges import MetricRange

FOLDS = 5
NARROW = {"x": {"uniform": [0.8, 1.0]}, "y": {"uniform": [0.0, 0.3]}}


def on_fold(run, fold, root, source="fixations"):
    """Give a run the data settings of a fold, as if it had been searched there."""
    data = {"source": source, "root": str(root), "folds": FOLDS, "fold": fold}
    return replace(run, space=replace(run.space, data=Data(**data), source={**run.space.source, "data": data}))


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """Two spaces, each searched on three folds; a fold has the same luck for both, as it has a seed of its own."""
    parent = tmp_path_factory.mktemp("folds")
    return [
        on_fold(search_arm(parent / f"{name}-{fold}", seed=fold, name=name, params=params), fold, parent)
        for name, params in (("wide", PARAMS), ("narrow", NARROW))
        for fold in range(3)
    ]


# -- the interval ------------------------------------------------------------------------------------------------------


def test_the_interval_over_folds_is_that_of_nadeau_and_bengio():
    first, second = {0: 0.9, 1: 0.7, 2: 0.8, 3: 0.85}, {0: 0.8, 1: 0.65, 2: 0.72, 3: 0.83, 9: 5.0}
    differences = np.array([first[fold] - second[fold] for fold in first])
    t = differences.mean() / np.sqrt((1 / 4 + 1 / 3) * differences.var(ddof=1))  # their statistic, of 4 folds of 5
    interval = fold_gain(first, second, 1 / 3, math.inf)
    p = 2 * stats.t.sf(abs(t), 3)
    edge = fold_interval(dict(enumerate(differences)), 1 / 3, confidence=1 - p)
    assert interval.value == pytest.approx(differences.mean())
    assert edge.low == pytest.approx(0, abs=1e-9)  # the interval at one minus the p-value touches zero
    assert interval.high - interval.value == pytest.approx(
        stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * differences.var(ddof=1))
    )


def test_without_overlap_it_is_students():
    values = {0: 0.71, 1: 0.74, 2: 0.69, 3: 0.78}
    reference = stats.ttest_1samp(list(values.values()), 0).confidence_interval()
    interval = fold_interval(values, 0.0)
    assert (interval.low, interval.high) == pytest.approx(tuple(reference))
    cut = fold_interval({0: 0.95, 1: 0.1}, 0.3, MetricRange(0, 1))
    assert (cut.low, cut.high) == (0, 1)
    assert math.isnan(fold_interval({0: 0.9}, 0.3).low)


def test_it_covers_the_truth_where_folds_share_their_training_images_and_students_does_not():
    """Results of K folds with a correlation of overlap / (1 + overlap), for which the correction is exact."""
    rng, overlap, truth = np.random.default_rng(17), 1 / 3, 0.5
    rho = overlap / (1 + overlap)
    covered = {"corrected": 0, "student": 0}
    for _ in range(2000):
        values = truth + np.sqrt(rho) * rng.normal() + np.sqrt(1 - rho) * rng.normal(size=5)
        for name, ratio in (("corrected", overlap), ("student", 0.0)):
            interval = fold_interval(dict(enumerate(values)), ratio)
            covered[name] += interval.low <= truth <= interval.high
    assert covered["corrected"] / 2000 == pytest.approx(0.95, abs=0.02)
    assert covered["student"] / 2000 < 0.85


# -- arms --------------------------------------------------------------------------------------------------------------


def test_runs_that_differ_in_the_fold_alone_are_one_arm_and_are_paired_by_fold(folded):
    arms = group_arms(folded, "epochs")
    assert [(arm.name, arm.folds, len(arm.runs)) for arm in arms] == [("wide", [0, 1, 2], 3), ("narrow", [0, 1, 2], 3)]
    (group,) = group_by_goal(arms)
    wide, narrow = (arm.values(group.equal_cost) for arm in arms)
    assert set(wide) == set(narrow) == {0, 1, 2}
    assert group.pairs[0].search_gain == fold_gain(wide, narrow, 1 / 3, math.inf)
    (answer,) = answer_pairs(group)
    assert answer.sentence.startswith("Over 3 folds wide is better: gain of wide over narrow")
    page = build_page([group])
    assert "different data" not in str(page)
    (table,) = [block for block in page.sections[0].blocks if isinstance(block, Table)]
    assert table.rows[0][1] == "0, 1, 2; folds 0, 1, 2"
    assert "winner, fresh seeds" not in table.columns and len(table.rows[0]) == len(table.columns)


def test_seeds_of_a_fold_are_averaged_before_the_interval_over_folds(folded, tmp_path):
    again = [
        on_fold(search_arm(tmp_path / f"again-{fold}", seed=10 + fold, name="wide"), fold, folded[0].space.data.root)
        for fold in range(3)
    ]
    (arm,) = group_arms([*folded[:3], *again], "epochs")
    first, second = (group_arms(runs, "epochs")[0].values(20) for runs in (folded[:3], again))
    assert arm.values(20) == pytest.approx({fold: (first[fold] + second[fold]) / 2 for fold in range(3)})


def test_arms_on_different_folds_are_not_paired(folded):
    (group,) = group_by_goal(group_arms([folded[0], folded[4]], "epochs"))
    (answer,) = answer_pairs(group)
    assert answer.verdict == "unknown"
    assert "wide on fold 0 and narrow on fold 1 cannot be paired" in answer.sentence
    assert "different data" not in str(build_page([group]))
    (group,) = group_by_goal(group_arms([*folded[:3], folded[3]], "epochs"))
    assert group.pairs[0].search_gain is None


def test_another_number_of_folds_is_other_data_and_synthetic_data_have_no_folds(folded, tmp_path):
    other = replace(folded[1].space.data, folds=7)
    source = {**folded[1].space.source, "data": {**folded[1].space.source["data"], "folds": 7}}
    run = replace(folded[1], space=replace(folded[1].space, data=other, source=source))
    arms = group_arms([folded[0], run], "epochs")
    assert len(arms) == 2
    assert "different data" in str(build_page(group_by_goal(arms)))
    synthetic = [on_fold(run, fold, tmp_path, source="synthetic") for fold, run in enumerate(folded[:2])]
    assert [arm.folds for arm in group_arms(synthetic, "epochs")] == [[], []]
