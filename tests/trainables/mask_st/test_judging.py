"""What the variant says of a split: figures without chance, on their proper rows, and pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.tiny_masks import build
from trainables.mask_st import sampling


@pytest.mark.parametrize("kind", ["straight_through", "random", "ppo"])
def test_evaluation_is_a_function_of_the_weights(kind):
    variant = build(mask_kind=kind)
    variant.begin_epoch(0)
    first = variant.evaluate("val")
    torch.rand(7)
    variant.begin_epoch(2)  # another temperature
    assert variant.evaluate("val") == first


def test_blurred_reference_fills_in_the_surroundings():
    mean, blur = (build(reference=reference).evaluate("val") for reference in ("mean", "blur"))
    assert mean["auroc_macro"] == blur["auroc_macro"]
    assert mean["auroc_keep"] != blur["auroc_keep"]


def test_coverage_of_the_maps_is_not_forced_by_projection():
    values = build(keep_ratio=0.5).evaluate("val")
    assert values["coverage"] == 0.5
    assert values["health/coverage_error"] == pytest.approx(abs(values["coverage_expected"] - 0.5))
    assert values["coverage_expected"] != 0.5


def test_without_projection_empty_deployed_masks_are_not_on_target():
    values = build(project=False).evaluate("val")
    assert values["coverage_expected"] == pytest.approx(0.1, abs=0.03)
    assert values["coverage"] == 0
    assert values["health/coverage_error"] == pytest.approx(0.1)
    assert (values["collapsed_share"], values["saturated_share"]) == (1, 0)
    assert build().evaluate("val")["collapsed_share"] == 0


def test_random_masks_are_drawn_once_per_evaluation(monkeypatch):
    variant = build(mask_kind="random")
    reference = variant.evaluate("val")
    draws, draw = [], sampling.draw_noise
    monkeypatch.setattr(sampling, "draw_noise", lambda *args: draws.append(args) or draw(*args))
    monkeypatch.setattr("trainables.mask_st.judging.BATCH_SIZE", 5)
    metrics = variant.evaluate("val")
    assert len(draws) == 1
    assert metrics == pytest.approx(reference, abs=1e-6)


def test_panels_are_pictures():
    panels = build().panels()
    assert len(panels) == 6
    for picture in panels.values():
        assert picture.dtype == np.uint8
        assert picture.shape[1:] == (3 * 192, 3)
    assert build(mask_kind="none").panels() == {}


def test_a_split_that_was_not_asked_for_is_not_there():
    with pytest.raises(ValueError, match="with the test split"):
        build().evaluate("test")


def test_thresholds_never_come_from_the_test_split():
    variant = build(splits=("train", "val", "test"))
    before = variant.evaluate("test")
    test = variant.splits["test"]
    assert not test.calibration.any()
    variant.splits["test"] = test.select(np.arange(len(test)) % 2 == 0)
    half = variant.evaluate("test")
    val = variant.splits["val"]
    variant.splits["val"] = dataclasses.replace(val, calibration=~val.calibration)
    assert variant.evaluate("test")["f1_macro"] != half["f1_macro"]
    assert half["loss_full"] != before["loss_full"]
