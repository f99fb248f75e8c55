"""Predictions of a split: micrographs as they are, and the maps on which probabilities are calibrated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.tiny_micrographs import build
from trainables.measuring import calibration
from trainables.unet_selftrain.judging import Judge, pick_map
from trainables.unet_selftrain.targets import render_particles


def test_predictions_are_those_of_the_maps_in_order():
    variant = build()
    val = variant.splits["val"]
    predictions = variant.judge.predict(val)
    for index, prediction in enumerate(predictions):
        expected = pick_map(variant.judge.predict_map(val, index), val, index, variant.config)
        np.testing.assert_array_equal(prediction.picks.points, expected.picks.points)
        np.testing.assert_array_equal(prediction.histogram.counts, expected.histogram.counts)
        np.testing.assert_array_equal(prediction.truth, val.particles(index))
    assert len(predictions) == len(val)


def test_pseudo_labels_turn_with_the_micrograph():
    """Equivariance: the labels of a turned micrograph are the turned labels, for a network that treats turns alike."""
    variant = build(splits=("train", "val"))
    for parameter in variant.net.parameters():  # every kernel the same after a quarter turn
        if parameter.ndim == 4 and parameter.shape[-1] == 3:
            parameter.data = sum(torch.rot90(parameter.data, turn, (2, 3)) for turn in range(4)) / 4
        if parameter.ndim == 4 and parameter.shape[-1] == 2:
            parameter.data = parameter.data.mean((2, 3), keepdim=True).expand_as(parameter.data).contiguous()
    train = variant.splits["train"]
    turned = dataclasses.replace(train, images=[np.rot90(image).copy() for image in train.images])
    straight, other = variant.judge.predict_map(train, 1), variant.judge.predict_map(turned, 1)
    np.testing.assert_allclose(np.rot90(straight), other, atol=1e-5)


@pytest.mark.parametrize("values", [{"target_scale": 0.5}, {"target": "gaussian"}, {}])
def test_calibration_is_of_what_the_network_is_trained_for(values, monkeypatch):
    """A network that is as sure as its targets would have it needs none, whatever these look like."""
    variant = build(data={"size": 128, "radius": 10}, **values)
    val = variant.splits["val"]

    def nearly_perfect(judge, micrographs, index: int) -> np.ndarray:
        wanted = render_particles(micrographs, index, micrographs.particles(index), variant.config)
        noise = np.random.default_rng(index).random(wanted.shape)
        return np.where((wanted >= 50) == (noise < 0.8), 0.8, 0.2)  # right in four of five pixels, and says so

    monkeypatch.setattr(Judge, "predict_map", nearly_perfect)
    platt = calibration.fit_platt(variant.judge.calibration_maps(val.select(val.calibration)))
    share = np.mean([found >= 0.5 for found, _ in variant.judge.calibration_maps(val)])
    assert platt.slope == pytest.approx(1, abs=0.1)
    assert 0 < share < 0.5
