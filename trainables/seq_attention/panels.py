"""Pictures of answers and of roll-outs for people to look at: what was right, what was said, how far apart they are.

All points are in pixels of the image's file; so are the errors that are written beside them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trainables.images.sheets import HEADER, stacked
from trainables.seq_attention.framing import filled

COUNT = 4  # images
SIDE = 384  # pixels of a picture's longer side
GREEN, RED, YELLOW, BLUE = (80, 220, 100), (245, 75, 65), (250, 210, 60), (110, 180, 255)
WHITE, PALE, BLACK = (255, 255, 255), (165, 195, 165), (0, 0, 0)
SMALL, MIDDLE, LARGE = 2, 6, 10  # radii of rings
NUMBERED = 99  # as many points at most have their number beside them

GAP = 4  # pixels between pictures
EDGE = 2  # pixels around words on an image

Colour = tuple[int, int, int]
_FONT = ImageFont.load_default(12)
# where a label is tried, in this order
_BESIDE = (
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 1),
    (1, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
)


def question(
    image: np.ndarray,
    size: tuple[int, int],
    marked: np.ndarray,
    left: np.ndarray,
    predicted: np.ndarray,
    done: float,
    threshold: float,
) -> np.ndarray:
    """One answer, uint8 `[h, w, 3]`: marked objects blue, the next one green, what is predicted red.

    The other unmarked objects are pale dots. Above, what is said of done, green if it is right and red if not.

    Args:
        image: uint8 `[S, S, 3]`, fitted.
        size: width and height of the image as stored.
        marked: `[k, 2]`, in their order.
        left: `[n − k, 2]`, the one that is right first.
        predicted: `[2]`.
        done: the probability that nothing is left.
        threshold: from which it counts as done.
    """
    drawing = _Drawing(image, size)
    drawing.rings(left[1:], PALE, SMALL)
    drawing.rings(marked, BLUE, MIDDLE)
    if len(left):
        drawing.path(np.stack([predicted, left[0]]), [YELLOW])
        drawing.rings(left[:1], GREEN, LARGE, centre=True)
    drawing.rings(predicted[None], RED, LARGE - 2, centre=True)
    if len(left):
        drawing.label(error_words(predicted, left[0]), (predicted + left[0]) / 2, YELLOW)
    drawing.numbers(marked, MIDDLE)
    said, truth = done_words(done, threshold, len(left) == 0)
    right = (done >= threshold) == (len(left) == 0)
    return _headed(drawing.picture(), [(said, GREEN if right else RED), (truth, WHITE)])


def path(
    image: np.ndarray, size: tuple[int, int], truth: np.ndarray, visited: np.ndarray, found: np.ndarray
) -> np.ndarray:
    """One roll-out, uint8 `[h, w, 3]`: visits numbered in order, green where one took an object, else red.

    Objects that no visit took are yellow; those that one took are pale dots, so that it is seen how far off it was.

    Args:
        image: uint8 `[S, S, 3]`, fitted.
        size: width and height of the image as stored.
        truth: `[n, 2]`, the objects.
        visited: `[m, 2]`, in the order of the visits.
        found: int `[m]`, the index of the object that each visit took, or −1 (`matching.in_turn`).
    """
    hits = found >= 0
    colours = [GREEN if hit else RED for hit in hits]
    seen = np.isin(np.arange(len(truth)), found)
    drawing = _Drawing(image, size)
    drawing.path(visited, colours[1:])
    drawing.rings(truth[seen], PALE, SMALL)
    drawing.rings(truth[~seen], YELLOW, LARGE)
    for point, hit in zip(visited, hits, strict=True):
        drawing.rings(point[None], GREEN if hit else RED, MIDDLE if hit else MIDDLE + 2)
    drawing.numbers(visited, MIDDLE + 2)
    return _headed(drawing.picture(), [(count_words(len(visited), len(truth), int(hits.sum())), WHITE)])


def error_words(predicted: np.ndarray, truth: np.ndarray) -> str:
    """The distance of two points in pixels of the image, as it is written."""
    return f"err={math.dist(predicted, truth):.0f}px"


def done_words(done: float, threshold: float, truth: bool) -> tuple[str, str]:
    """What is said of done and what is true, as it is written."""
    return f"done predicted {done:.2f} ({'yes' if done >= threshold else 'no'})", f"true {int(truth)}"


def count_words(visits: int, objects: int, right: int) -> str:
    """What a roll-out comes to, as it is written."""
    return f"counted {visits} of {objects}, {right} right"


class _Drawing:
    """An image without its padding, on which points are drawn, and labels that keep clear of them."""

    def __init__(self, image: np.ndarray, size: tuple[int, int]) -> None:
        width, height = filled(size, len(image))
        shown = [max(1, round(each * SIDE / max(size))) for each in size]
        self._image = Image.fromarray(image[:height, :width]).resize((shown[0], shown[1]), Image.Resampling.BILINEAR)
        self._draw = ImageDraw.Draw(self._image)
        self._scale = SIDE / max(size)
        self._boxes: list[tuple[float, float, float, float]] = []  # what no label may hide

    def picture(self) -> np.ndarray:
        return np.asarray(self._image)

    def rings(self, points: np.ndarray, colour: Colour, radius: int, centre: bool = False) -> None:
        """Circles with a dark edge on both sides, so that they are seen on any image."""
        for x, y in self._places(points):
            for wider, shade, width in ((1, BLACK, 4), (0, colour, 2)):
                self._draw.ellipse(_box(x, y, radius + wider), outline=shade, width=width)
            if centre:
                self._draw.rectangle(_box(x, y, 1), fill=colour)
            self._boxes.append(_box(x, y, radius + 1))

    def path(self, points: np.ndarray, colours: Sequence[Colour]) -> None:
        """A line from each point to the next."""
        places = self._places(points)
        for shade, width in ((BLACK, 4), (None, 2)):
            for start, end, colour in zip(places, places[1:], colours, strict=False):
                self._draw.line([start, end], fill=shade or colour, width=width)
        for (x, y), (to_x, to_y) in itertools.pairwise(places):
            steps = max(1, round(math.hypot(to_x - x, to_y - y) / 6))
            along = [index / steps for index in range(1, steps)]
            self._boxes += [_box(x + (to_x - x) * share, y + (to_y - y) * share, 1) for share in along]

    def label(self, text: str, at: np.ndarray, colour: Colour) -> None:
        """A text on black near a point: the nearest place that hides nothing, or if there is none, wherever it fits."""
        [(x, y)] = self._places(at[None])
        near = (self._free(text, x, y, away) for away in (3, 8, 14, 22, 32, 45, 60))
        left, top = next((place for place in near if place is not None), self._within(text, x, y))
        width, height = _extent(text)
        self._draw.rectangle((left, top, left + width - 1, top + height - 1), fill=BLACK)
        self._write(text, left, top, colour)

    def numbers(self, points: np.ndarray, radius: int) -> None:
        """1, 2, … beside rings of some radius, each where there is room for it."""
        if len(points) > NUMBERED:
            return
        for number, (x, y) in enumerate(self._places(points), 1):
            place = self._free(str(number), x, y, radius + 1)
            if place is not None:
                self._write(str(number), *place, WHITE)

    def _places(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Where points are in the picture; there 0 is the middle of the first pixel, and not its edge."""
        return [(x * self._scale - 0.5, y * self._scale - 0.5) for x, y in points.tolist()]

    def _free(self, text: str, x: float, y: float, away: float) -> tuple[float, float] | None:
        """The upper left corner of a text beside a point, inside the picture and clear of all that is drawn."""
        width, height = _extent(text)
        taken = np.array(self._boxes).reshape(-1, 4)
        for right, down in _BESIDE:
            left, top = x + right * (away + width / 2) - width / 2, y + down * (away + height / 2) - height / 2
            if self._within(text, left, top) != (left, top):
                continue
            beside = (taken[:, 0] >= left + width) | (taken[:, 2] <= left)
            if (beside | (taken[:, 1] >= top + height) | (taken[:, 3] <= top)).all():
                return left, top
        return None

    def _within(self, text: str, left: float, top: float) -> tuple[float, float]:
        """The corner moved so that the whole text is in the picture."""
        width, height = _extent(text)
        return (
            max(0.0, min(left, self._image.width - width)),
            max(0.0, min(top, self._image.height - height)),
        )

    def _write(self, text: str, left: float, top: float, colour: Colour) -> None:
        width, height = _extent(text)
        self._boxes.append((left, top, left + width, top + height))
        at = (left + EDGE, top + EDGE)
        self._draw.text(at, text, colour, _FONT, "lt", stroke_width=1, stroke_fill=BLACK)


def _extent(text: str) -> tuple[float, float]:
    """Width and height of a text with its edges."""
    left, top, right, bottom = _FONT.getbbox(text, anchor="lt")
    return right - left + 2 * EDGE, bottom - top + 2 * EDGE


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)


def _headed(picture: np.ndarray, words: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """The picture under its words, with a black edge that keeps it apart from others."""
    return np.pad(stacked([_words(words), picture]), [(0, GAP), (0, GAP), (0, 0)])


def _words(parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """A line of words, each in its colour, on black."""
    starts = np.cumsum([4, *(math.ceil(_FONT.getlength(text)) + 10 for text, _ in parts)]).tolist()
    strip = Image.new("RGB", (starts[-1], HEADER))
    draw = ImageDraw.Draw(strip)
    for start, (text, colour) in zip(starts, parts, strict=False):
        draw.text((start, HEADER // 2), text, colour, _FONT, "lm")
    return np.asarray(strip)
