"""Baselines as a run keeps them: written, read, compared with reports; every variant's rows beside its report."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.support import tiny_gaze, tiny_masks, tiny_micrographs, tiny_noise, tiny_scenes
from tests.support.repository import ROOT
from trainables import baselines, registry
from trainables.baselines import CHANCE, Baselines, average_draws
from trainables.files import BASELINES
from trainables.objective import Goal, Objective
from trainables.settings import Notice, UsageError

ROWS = {CHANCE: {"val/ap": 0.18, "val/error": 9.0}, "blobs": {"val/ap": 0.62}, "mean": {"val/error": 5.0}}
ONE = Objective((Goal("val/ap"),))
TWO = Objective((Goal("val/ap"), Goal("val/error", "min")))


def build(name, tmp_path):
    match name:
        case "mask_st":
            return tiny_masks.build()
        case "noise_mask":
            return tiny_noise.build()
        case "unet_selftrain":
            return tiny_micrographs.build()
        case "seq_attention":
            return tiny_scenes.build()
        case "entropy_reg":
            return tiny_gaze.build(tmp_path)
    raise AssertionError(f"no small {name}: give one here")


def small_data(name, tmp_path):
    entry = registry.load(name)
    match name:
        case "mask_st":
            return entry.Data(train_size=24, val_size=16)
        case "noise_mask":
            return entry.Data(train_size=24, val_size=12)
        case "unet_selftrain":
            return entry.Data(**tiny_micrographs.DATA)
        case "seq_attention":
            return entry.Data(**tiny_scenes.DATA)
    return tiny_gaze.data(tmp_path)


@pytest.mark.parametrize("name", registry.names())
def test_a_variant_s_rows_have_keys_of_its_reports_and_finite_numbers_the_same_each_time(name, tmp_path):
    entry, variant, data = registry.load(name), build(name, tmp_path), small_data(name, tmp_path)
    rows = entry.baselines(variant.config, data)
    keys = {f"val/{key}" for key in variant.evaluate("val")}
    assert next(iter(rows)) == CHANCE
    assert len(rows) > 1, "a method without a network"
    for row in rows.values():
        assert set(row) <= keys
        assert np.isfinite(list(row.values())).all()
    assert entry.baselines(variant.config, data) == rows


@pytest.mark.parametrize("name", registry.names())
def test_chance_has_every_goal_of_the_variant_s_spaces_that_is_a_metric_of_validation(name, tmp_path):
    spaces = [OmegaConf.load(file) for file in (ROOT / "spaces").glob("*.yaml")]
    objectives = [space.objective for space in spaces if space.variant == name]
    goals = {goal.metric for goals in objectives for goal in ([goals] if "metric" in goals else goals)}
    rows = registry.load(name).baselines(build(name, tmp_path).config, small_data(name, tmp_path))
    assert goals
    assert {goal for goal in goals if goal.startswith("val/")} <= set(rows[CHANCE])


def test_what_is_written_is_read_again_and_an_older_run_has_no_rows(tmp_path):
    assert Baselines.read(tmp_path) == Baselines()
    written = Baselines(ROWS, 1.5, ("blobs are tuned on 3 of 9 images.",), "")
    written.write(tmp_path)
    assert Baselines.read(tmp_path) == written
    assert Baselines.from_facts(json.loads(json.dumps(written.as_facts()))).rows == ROWS
    assert Baselines.from_facts({}) == Baselines()
    assert Baselines().as_facts() == {}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": {}}', '{"rows": {"x": 3}, "seconds": 1, "notes": [], "problem": ""}']
)
def test_a_damaged_file_is_named_and_written_again_by_the_next_search(tmp_path, text):
    (tmp_path / BASELINES).write_text(text)
    with pytest.raises(UsageError, match=BASELINES):
        Baselines.read(tmp_path)
    assert baselines.compute_once(tmp_path, variant(lambda config, data: ROWS), None, None).rows == ROWS
    assert Baselines.read(tmp_path).rows == ROWS


def test_rows_are_computed_once_in_a_run_and_again_after_a_failure(tmp_path):
    calls = []

    def compute(config, data):
        calls.append(config)
        if len(calls) == 1:
            raise RuntimeError("no such micrograph.\nand more")
        return ROWS

    with pytest.warns(Notice, match="RuntimeError: no such micrograph; the trials do not need them"):
        first = baselines.compute_once(tmp_path, variant(compute), "config", None)
    assert first.rows == {}
    assert "no such micrograph" in Baselines.read(tmp_path).problem
    for _ in range(2):
        assert baselines.compute_once(tmp_path, variant(compute), "config", None).rows == ROWS
    assert len(calls) == 2


def test_what_was_cut_short_is_told_and_recorded_and_what_is_not_finite_is_left_out():
    def compute(config, data):
        warnings.warn("tuned on 3 of 9 images.", Notice, stacklevel=1)
        return {CHANCE: {"val/ap": 0.1, "val/kl": np.inf, "val/x": np.nan}}

    with pytest.warns(Notice, match="3 of 9"):
        result = baselines.compute(variant(compute), None, None)
    assert result.notes == ("tuned on 3 of 9 images.",)
    assert result.rows == {CHANCE: {"val/ap": 0.1}}


@pytest.mark.parametrize("rows", [None, {"chance": None}, {"chance": {"val/accuracy": "high"}}])
def test_rows_of_another_form_are_told_and_stop_no_search(rows, tmp_path):
    with pytest.warns(Notice, match="no baselines to compare with"):
        assert not baselines.compute_once(tmp_path, variant(lambda config, data: rows), None, None).rows


def test_numbers_of_numpy_are_written_as_well(tmp_path):
    rows = {"chance": {"val/accuracy": np.float32(0.5)}}
    baselines.compute_once(tmp_path, variant(lambda config, data: rows), None, None)
    assert Baselines.read(tmp_path).rows == rows


def test_a_report_beats_a_row_by_a_goal_that_the_row_has():
    rows = Baselines(ROWS)
    assert rows.unbeaten(ONE, {"val/ap": 0.63}) == []
    assert rows.unbeaten(ONE, {"val/ap": 0.62}) == ["blobs"]
    assert rows.unbeaten(ONE, {"val/ap": 0.1}) == ["blobs", CHANCE]
    assert rows.unbeaten(ONE, {"val/ap": float("nan")}) == ["blobs", CHANCE]
    assert rows.unbeaten(TWO, {"val/ap": 0.5, "val/error": 4.0}) == ["blobs"]  # chance and mean are worse in error
    assert rows.unbeaten(TWO, {"val/ap": 0.9, "val/error": 6.0}) == ["mean"]
    assert rows.unbeaten(Objective((Goal("health/x", "min"),)), {"health/x": 1.0}) == []
    assert rows.strongest(Goal("val/error", "min")) == "mean"
    assert rows.strongest(Goal("health/x")) is None


def test_the_comparison_is_a_line_per_goal_and_one_on_what_is_not_better():
    lines = Baselines(ROWS).compare(ONE, {"default": {"val/ap": 0.6125}, "best trial": {"val/ap": 0.619}})
    assert lines == [
        "val/ap: chance 0.18 · blobs 0.62 · default 0.6125 · best trial 0.619",
        "NOT BETTER than blobs: default, best trial",
    ]
    assert Baselines(ROWS).compare(ONE, {"default": {"val/ap": 0.1}, "best trial": {"val/ap": 0.7}})[1:] == [
        "NOT BETTER than blobs or chance: default"
    ]
    assert Baselines().compare(ONE, {"default": {"val/ap": 0.1}}) == []


def test_draws_are_averaged_and_the_same_each_time():
    result = average_draws(lambda generator: {"x": generator.random()}, 500)
    assert result == average_draws(lambda generator: {"x": generator.random()}, 500)
    assert result["x"] == pytest.approx(0.5, abs=4 / np.sqrt(12 * 500))


def variant(compute) -> SimpleNamespace:
    return SimpleNamespace(has_baselines=True, baselines=compute)
