"""The parts that panels are made of."""

import numpy as np
import pytest

from trainables.images.sheets import HEADER, add_header, magnify, text_bar, to_rgb

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize("picture", [GREY, GREY[..., None], np.stack([GREY] * 3, axis=-1)])
def test_a_picture_of_any_form_becomes_rgb(picture):
    made = to_rgb(picture)
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert np.array_equal(made, np.stack([GREY] * 3, axis=-1))


def test_colours_stay_as_they_are():
    colours = np.random.default_rng(0).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    assert np.array_equal(to_rgb(colours), colours)


def test_every_pixel_becomes_a_square():
    expected = np.kron(GREY, np.ones((3, 3), dtype=np.uint8))
    assert np.array_equal(magnify(GREY, 3), np.stack([expected] * 3, axis=-1))


def test_a_line_of_text_stands_above_and_the_picture_itself_is_not_drawn_on():
    picture = np.full((20, 60, 3), 9, dtype=np.uint8)
    made = add_header(picture, "word")
    assert made.shape == (HEADER + 20, 60, 3)
    assert np.array_equal(made[:HEADER], text_bar(60, "word"))
    assert text_bar(60, "word").max() > 100 > text_bar(60, "").max()
    assert (made[HEADER:, :-1] == 9).all()
    assert (made[HEADER:, -1] == 0).all()
    assert (picture == 9).all()
