"""Pictures of answers and roll-outs: which colour is where, what is written, and that no label is cut off."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.images.sheets import HEADER, arrange_grid, stack, text_bar
from trainables.seq_attention import drawing, panels
from trainables.seq_attention.drawing import BLUE, GREEN, PALE, RED, SIDE, YELLOW, Canvas
from trainables.seq_attention.letterbox import letterbox
from trainables.seq_attention.panels import GAP

SIZES = [(300, 200), (120, 400), (96, 96), (2000, 1500)]
NONE = np.zeros((0, 2))


def blank(size: tuple[int, int], side: int = 128, shade: int = 90) -> np.ndarray:
    image = letterbox(np.full((size[1], size[0], 3), shade, dtype=np.uint8), side)
    image.setflags(write=False)
    return image


def at_shares(size: tuple[int, int], *points: tuple[float, float]) -> np.ndarray:
    """Convert shares of width and height to pixels of the image."""
    return np.array(points).reshape(-1, 2) * size


def to_row_column(size: tuple[int, int], point: np.ndarray) -> tuple[int, int]:
    """Return row and column of a point in a picture, beneath its words."""
    x, y = np.floor(point * SIDE / max(size)).astype(int)
    return HEADER + y, x


def has_near(picture: np.ndarray, size: tuple[int, int], point: np.ndarray, colour: tuple[int, int, int]) -> bool:
    row, column = to_row_column(size, point)
    around = picture[max(row - 12, HEADER) : row + 13, max(column - 12, 0) : column + 13]
    return bool((around == colour).all(axis=2).any())


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture[HEADER:] == colour).all(axis=2).any())


def draw_with(size: tuple[int, int], left: np.ndarray, done: float = 0.1, at_point: tuple = (0.8, 0.7)) -> np.ndarray:
    marked = at_shares(size, (0.2, 0.85), (0.75, 0.1))
    return panels.draw_prediction(blank(size), size, marked, left, at_shares(size, at_point)[0], done, 0.5)


@pytest.mark.parametrize("size", SIZES)
def test_every_colour_is_where_its_point_is_and_no_padding_is_shown(size):
    left = at_shares(size, (0.2, 0.2), (0.1, 0.55))
    picture = draw_with(size, left)
    height, width = (round(side * SIDE / max(size)) for side in (size[1], size[0]))
    assert picture.shape[0] == HEADER + height + GAP
    assert picture.dtype == np.uint8
    at_point = at_shares(size, (0.8, 0.7))[0]
    assert tuple(picture[to_row_column(size, at_point)]) == RED
    assert tuple(picture[to_row_column(size, left[0])]) == GREEN
    row, column = to_row_column(size, (at_point + left[0]) / 2)
    assert (picture[row - 2 : row + 3, column - 2 : column + 3] == YELLOW).all(axis=2).any()
    for point in at_shares(size, (0.2, 0.85), (0.75, 0.1)):
        assert has_near(picture, size, point, BLUE)
    assert [has_near(picture, size, point, PALE) for point in left] == [False, True]
    image = picture[HEADER : HEADER + height, :width]
    for edge in (image[-1], image[:, -1]):
        assert (edge == 90).all(axis=1).mean() > 0.9  # a label may be there
    assert not picture[HEADER + height :].any()
    assert not picture[HEADER:, width:].any()


@pytest.mark.parametrize("size", SIZES)
def test_where_nothing_is_left_there_is_neither_green_nor_yellow(size):
    picture = draw_with(size, NONE)
    assert tuple(picture[to_row_column(size, at_shares(size, (0.8, 0.7))[0])]) == RED
    assert not has(picture, GREEN)
    assert not has(picture, YELLOW)


@pytest.mark.parametrize(("done", "left", "right"), [(0.1, 1, True), (0.5, 1, False), (0.49, 0, False), (0.9, 0, True)])
def test_what_is_said_of_done_is_red_where_it_is_wrong(done, left, right):
    size = (200, 200)
    words = draw_with(size, at_shares(size, (0.2, 0.2))[:left], done)[:HEADER].astype(int)
    green, red = (words[..., 1] > 2 * words[..., 0]).any(), (words[..., 0] > 2 * words[..., 1]).any()
    assert (green, red) == (right, not right)


def test_what_is_written_says_pixels_of_the_image_and_not_of_the_picture(monkeypatch):
    assert panels.error_text(np.array([300.0, 400.0]), np.array([0.0, 0.0])) == "err=500px"
    assert panels.done_texts(0.15, 0.5, False) == ("done predicted 0.15 (no)", "true 0")
    assert panels.done_texts(0.15, 0.1, True) == ("done predicted 0.15 (yes)", "true 1")
    assert panels.count_text(9, 11, 8) == "counted 9 of 11, 8 right"
    size = (2000, 1500)
    monkeypatch.setattr(Canvas, "draw_label", lambda self, text, at, colour: texts.append(text))
    texts: list[str] = []
    draw_with(size, at_shares(size, (0.5, 0.7)))
    assert texts == ["err=600px"]


@pytest.fixture
def labels(monkeypatch) -> list[tuple[str, float, float, float, float]]:
    """Every text that is written on an image, with its box."""
    found = []
    write = Canvas._write

    def noted(self, text, left, top, colour):
        width, height = drawing.text_size(text)
        found.append((text, left, top, left + width, top + height))
        write(self, text, left, top, colour)

    monkeypatch.setattr(Canvas, "_write", noted)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_no_label_is_cut_off_or_hides_a_point_or_another_label(seed, labels):
    generator = np.random.default_rng(seed)
    size = SIZES[seed % 2]
    numbers = generator.random((14, 2))
    numbers = [numbers.round(0), numbers.round(1), 0.4 + 0.25 * numbers][seed % 3]  # corners, borders, a crowd
    points, at_point = np.clip(numbers, 0.01, 0.99) * size, numbers[0] * size
    panels.draw_prediction(blank(size), size, points[:8], points[8:], at_point, 0.2, 0.5)
    width, height = (side * SIDE / max(size) for side in size)
    assert labels[0][0].startswith("err=")
    for index, (_, left, top, right, bottom) in enumerate(labels):
        assert left >= 0
        assert top >= 0
        assert right <= width + 0.5
        assert bottom <= height + 0.5
        for x, y in np.concatenate([points, at_point[None]]) * SIDE / max(size):
            assert not (left - 2 < x < right + 2 and top - 2 < y < bottom + 2)
        for x, y in np.linspace(at_point, points[8], 50) * SIDE / max(size):
            assert not (left + 3 < x < right - 3 and top + 3 < y < bottom - 3)
        for _, other_left, other_top, other_right, other_bottom in labels[:index]:
            assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top


def test_a_label_without_any_free_place_is_written_inside_all_the_same(labels):
    size = (100, 100)
    crowd = np.stack(np.meshgrid(np.arange(2, 100, 3.0), np.arange(2, 100, 3.0)), axis=-1).reshape(-1, 2)
    panels.draw_prediction(blank(size), size, NONE, crowd, np.array([99.0, 99.0]), 0.2, 0.5)
    [(text, left, top, right, bottom)] = labels
    assert text == "err=137px"
    assert 0 <= left < right <= SIDE
    assert 0 <= top < bottom <= SIDE


def test_marked_objects_are_numbered_in_their_order_unless_they_are_a_crowd(labels):
    size = (400, 400)
    line = np.stack([np.linspace(40, 360, 5), np.full(5, 200.0)], axis=1)
    panels.draw_prediction(blank(size), size, line, NONE, np.array([10.0, 10.0]), 0.9, 0.5)
    assert [text for text, *_ in labels] == ["1", "2", "3", "4", "5"]
    lefts = [left for _, left, *_ in labels]
    assert lefts == sorted(lefts)
    labels.clear()
    crowd = np.random.default_rng(0).random((drawing.MAX_NUMBERS + 1, 2)) * 400
    panels.draw_prediction(blank(size), size, crowd, NONE, np.array([10.0, 10.0]), 0.9, 0.5)
    assert labels == []


@pytest.mark.parametrize("shade", [0, 255])
def test_rings_have_an_edge_that_is_seen_on_black_and_white(shade):
    size = (96, 96)
    picture = panels.draw_prediction(
        blank(size, 96, shade), size, at_shares(size, (0.5, 0.5)), NONE, np.array([9.0, 9.0]), 0.9, 0.5
    )
    row, column = to_row_column(size, at_shares(size, (0.5, 0.5))[0])
    along = picture[row, column : column + 12].tolist()
    assert list(BLUE) in along
    inner, outer = along.index(list(BLUE)), len(along) - 1 - along[::-1].index(list(BLUE))
    assert along[inner - 1] == along[outer + 1] == [0, 0, 0]
    assert along[0] == [shade] * 3  # what is marked stays in sight


def test_a_path_is_green_where_a_visit_took_an_object_red_where_not_and_yellow_where_none_came(labels):
    size = (300, 240)
    truth = at_shares(size, (0.2, 0.2), (0.5, 0.2), (0.8, 0.2), (0.8, 0.8))
    visited = at_shares(size, (0.2, 0.22), (0.5, 0.22), (0.3, 0.8), (0.8, 0.78))
    picture = panels.draw_rollout(blank(size), size, truth, visited, np.array([0, 1, -1, 3]))
    assert [has_near(picture, size, point, YELLOW) for point in truth] == [False, False, True, False]
    assert [has_near(picture, size, point, PALE) for point in truth] == [True, True, False, True]
    for point, away, colour in zip(visited, (-1, -1, 1, 1), (GREEN, GREEN, RED, GREEN), strict=True):  # off the lines
        row, column = to_row_column(size, point)
        across = [tuple(picture[row + away * distance, column]) for distance in range(4, 9)]
        assert [ring for ring in (GREEN, RED) if ring in across] == [colour]
    for start, end, colour in zip(visited, visited[1:], (GREEN, RED, GREEN), strict=False):
        row, column = to_row_column(size, (start + end) / 2)
        assert (picture[row - 3 : row + 4, column - 3 : column + 4] == colour).all(axis=2).any()
    assert [text for text, *_ in labels] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("objects", "visits"), [(0, 0), (0, 2), (3, 0), (1, 1)])
def test_a_path_of_nothing_is_a_picture_too(objects, visits):
    size = (100, 100)
    points = at_shares(size, (0.2, 0.2), (0.5, 0.5), (0.8, 0.8))
    found = np.where(np.arange(visits) < objects, np.arange(visits), -1)
    picture = panels.draw_rollout(blank(size), size, points[:objects], points[:visits], found)
    assert has(picture, YELLOW) == (objects > visits)
    assert has(picture, RED) == (visits > objects)


def test_a_grid_has_rows_of_so_many_columns_with_black_beside_smaller_pictures():
    pictures = [np.full((4 + index, 120 - index, 3), 10 + index, dtype=np.uint8) for index in range(4)]
    title = "a title that is wider than one picture is"
    made = arrange_grid(pictures, title, 3)
    assert made.shape == (HEADER + 7 + 7, 360, 3)
    assert np.array_equal(made[:HEADER], text_bar(360, title))
    for index, (top, left) in enumerate([(0, 0), (0, 120), (0, 240), (7, 0)]):
        cell = made[HEADER + top : HEADER + top + 7, left : left + 120]
        assert (cell[: 4 + index, : 120 - index] == 10 + index).all()
        assert not cell[4 + index :].any()
        assert not cell[:, 120 - index :].any()
    assert not made[HEADER + 7 :, 120:].any()
    assert arrange_grid(pictures[:1], title, 3).shape == (HEADER + 4, 120, 3)
    assert stack(pictures[:2]).shape == (9, 120, 3)
