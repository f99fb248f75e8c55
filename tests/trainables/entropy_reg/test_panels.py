"""Pictures of densities: what is where, and which colour a bias has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import tiny_gaze
from trainables.entropy_reg import panels
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.contentless import Bias
from trainables.entropy_reg.features import split_features
from trainables.entropy_reg.judging import Judge
from trainables.entropy_reg.panels import IMAGES, SCALE, WIDTH, apply_colours, bias_map
from trainables.entropy_reg.scanpaths import Fixations
from trainables.entropy_reg.split import Stimuli
from trainables.images.sheets import HEADER
from trainables.processes import Processes

GREEN = (90, 230, 90)
BIASES = {"uniform": Bias(np.array([0.5]), np.full((12, 16), 1 / 192))}


def judge(cache: Path, images: Stimuli, model) -> Judge:
    data = tiny_gaze.data(cache)
    prior = CentreBias.fit([(fixation.points * 0.5, (48, 64)) for fixation in images.fixations], 0.1, 0.01)
    maps = split_features(tiny_gaze.config(), data, images, torch.device("cpu"))
    return Judge(model, images, maps, prior, prior, data, torch.device("cpu"), Processes())


def seen(points: list[tuple[float, float]], shape=(48, 64), number: int = 2) -> Stimuli:
    """Grey images on which these points are fixated."""
    history = np.full((len(points), 4, 2), np.nan, np.float32)
    each = Fixations(np.array(points, np.float32), history)
    grey = np.full((*shape, 3), 100, np.uint8)
    return Stimuli(
        key=("grey", *shape, number),
        names=[f"g{n}" for n in range(number)],
        pixels=[grey] * number,
        fixations=[each] * number,
    )


def peak(row: int, column: int):
    def model(maps, shape, centre_bias, history=None):
        output = torch.zeros(1, 1, shape[0] // 4, shape[1] // 4)
        output[..., row, column] = 9.0
        return output.flatten(1).log_softmax(dim=1).view_as(output)

    model.conditional = False
    return model


@pytest.mark.parametrize(("shape", "height"), [((48, 64), 192), ((64, 48), 341)])
def test_pictures_have_three_cells_and_fixations_are_where_they_are(cache, shape, height):
    """Points are given in pixels of the image, which is enlarged to the picture's width."""
    x, y = 0.25 * shape[1], 0.5 * shape[0]
    result = panels.draw_panels(judge(cache, seen([(x, y), (0.75 * shape[1], 10)], shape), peak(8, 10)), BIASES, None)
    assert list(result) == ["image_1", "image_2", "bias"]
    picture = result["image_1"]
    assert picture.dtype == np.uint8
    assert picture.shape == (2 * HEADER + height, 3 * WIDTH, 3)
    cells = [picture[2 * HEADER :, left : left + WIDTH] for left in (0, WIDTH, 2 * WIDTH)]
    row, column = round(y * WIDTH / shape[1]), round(x * WIDTH / shape[1])
    for cell, dotted in zip(cells, (True, False, True), strict=True):
        assert (tuple(cell[row, column]) == GREEN) is dotted
        assert (tuple(cell[round(10 * WIDTH / shape[1]), round(0.75 * WIDTH)]) == GREEN) is dotted
        assert (cell == GREEN).all(axis=2).sum() <= 2 * 25
    assert cells[0][5, 5].tolist() == [100] * 3
    scale = WIDTH / shape[1] * 4
    at_peak = cells[1][int(8.5 * scale), int(10.5 * scale)].astype(int)
    away = cells[1][5, 5].astype(int)
    assert (at_peak > away + 100).all()


@pytest.mark.parametrize(("number", "shown"), [(2, [0, 1]), (3, [0, 1, 2]), (8, [0, 2, 4, 7])])
def test_a_few_images_are_shown_evenly_chosen(cache, monkeypatch, number, shown):
    indices = []
    monkeypatch.setattr(panels, "draw_image", lambda judge, index: indices.append(index))
    result = panels.draw_panels(judge(cache, seen([(5, 5), (9, 9)], number=number), peak(0, 0)), BIASES, None)
    assert len(result) == min(IMAGES, number) + 1
    assert indices == shown


def test_a_bias_is_red_above_uniform_blue_below_and_pale_where_uniform():
    density = np.full((12, 16), 1 / 192)
    np.testing.assert_array_equal(bias_map(density), np.full((12, 16, 3), 245))
    density[2, 3], density[8, 9] = 4 / 192, 0.25 / 192
    picture = bias_map(density).astype(int)
    red, blue = picture[2, 3], picture[8, 9]
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    ends = np.array([2.0**SCALE, 2.0**-SCALE, 100.0, 0.0]).reshape(2, 2) / 4
    most, least, beyond, nothing = bias_map(ends).reshape(4, 3).tolist()
    assert most == beyond != red.tolist()
    assert least == nothing != blue.tolist()


def test_the_same_density_has_the_same_colours_before_and_after_and_whatever_else_is_shown():
    rng = np.random.default_rng(0)
    density, sharp = rng.dirichlet(np.ones(192)).reshape(12, 16), np.full((12, 16), 1e-9)
    sharp[0, 0] = 1.0
    now = {"uniform": Bias(np.array([0.5]), density), "texture": Bias(np.array([7.0]), sharp)}
    picture = panels.draw_biases(now, density)
    assert picture.dtype == np.uint8
    assert picture.shape == (2 * HEADER + 192, 3 * WIDTH, 3)
    before, after, other = (picture[2 * HEADER :, left : left + WIDTH] for left in (0, WIDTH, 2 * WIDTH))
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(before[8::16, 8::16], bias_map(density))  # 16 pixels of the picture for a cell
    assert other[8, 8].tolist() == [165, 20, 40]
    without = panels.draw_biases(now, None)
    assert without.shape == (2 * HEADER + 192, 2 * WIDTH, 3)
    np.testing.assert_array_equal(without[2 * HEADER :, :WIDTH], after)


def test_what_is_written_on_a_bias_is_the_kind_and_its_bits(monkeypatch):
    texts = []
    monkeypatch.setattr(panels, "add_header", lambda picture, text: texts.append(text) or picture)
    density = np.full((12, 16), 1 / 192)
    panels.draw_biases({"uniform": Bias(np.array([0.5, 0.25]), density)}, density)
    assert texts == ["uniform, before training", "uniform: 0.375 bits"]


def test_colours_lie_between_the_given_ones():
    ends = np.array([[0, 0, 0], [100, 50, 10], [200, 0, 255]], np.float64)
    result = apply_colours(np.array([[0.0, 0.25, 0.5, 1.0]]), ends)
    assert result.tolist() == [[[0, 0, 0], [50, 25, 5], [100, 50, 10], [200, 0, 255]]]
    assert result.dtype == np.uint8
