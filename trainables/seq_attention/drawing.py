"""Points, lines and labels drawn on an image, each where it hides nothing.

All points are in pixels of the image's file, whatever the size of the picture.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trainables.images.sheets import HEADER
from trainables.seq_attention.letterbox import content_size

SIDE = 384  # pixels of a picture's longer side
GREEN, RED, YELLOW, BLUE = (80, 220, 100), (245, 75, 65), (250, 210, 60), (110, 180, 255)
WHITE, PALE, BLACK = (255, 255, 255), (165, 195, 165), (0, 0, 0)
MAX_NUMBERS = 99  # of more points, none has its number beside it
EDGE = 2  # pixels around words on an image

Colour = tuple[int, int, int]
_FONT = ImageFont.load_default(12)
_DISTANCES = (3, 8, 14, 22, 32, 45, 60)  # pixels from its point at which a label is tried
# directions from its point in which a label is tried, in this order
_DIRECTIONS = (
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 1),
    (1, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
)


class Canvas:
    """An image without its padding, on which points are drawn, and labels that keep clear of them."""

    def __init__(self, image: np.ndarray, size: tuple[int, int]) -> None:
        """Scale an image to the size of a picture.

        Args:
            image: uint8 `[S, S, 3]`, letterboxed.
            size: width and height of the image as stored.
        """
        width, height = content_size(size, len(image))
        shape = (max(1, round(size[0] * SIDE / max(size))), max(1, round(size[1] * SIDE / max(size))))
        self._image = Image.fromarray(image[:height, :width]).resize(shape, Image.Resampling.BILINEAR)
        self._draw = ImageDraw.Draw(self._image)
        self._scale = SIDE / max(size)
        self._boxes: list[tuple[float, float, float, float]] = []  # no label may hide these

    def picture(self) -> np.ndarray:
        """Return the picture, uint8 `[h, w, 3]`."""
        return np.asarray(self._image)

    def draw_rings(self, points: np.ndarray, colour: Colour, radius: int, centre: bool = False) -> None:
        """Draw circles with a dark edge on both sides, so that they are visible on any image."""
        for x, y in self._picture_points(points):
            for wider, shade, width in ((1, BLACK, 4), (0, colour, 2)):
                self._draw.ellipse(_box(x, y, radius + wider), outline=shade, width=width)
            if centre:
                self._draw.rectangle(_box(x, y, 1), fill=colour)
            self._boxes.append(_box(x, y, radius + 1))

    def draw_path(self, points: np.ndarray, colours: Sequence[Colour]) -> None:
        """Draw a line from each point to the next."""
        vertices = self._picture_points(points)
        for shade, width in ((BLACK, 4), (None, 2)):
            for start, end, colour in zip(vertices, vertices[1:], colours, strict=False):
                self._draw.line([start, end], fill=shade or colour, width=width)
        for (x, y), (to_x, to_y) in itertools.pairwise(vertices):
            steps = max(1, round(math.hypot(to_x - x, to_y - y) / 6))
            shares = [index / steps for index in range(1, steps)]
            self._boxes += [_box(x + (to_x - x) * share, y + (to_y - y) * share, 1) for share in shares]

    def draw_label(self, text: str, at: np.ndarray, colour: Colour) -> None:
        """Draw a text on black near a point, where it hides nothing; if there is no such place, wherever it fits."""
        [(x, y)] = self._picture_points(at[None])
        corners = (self._free_corner(text, x, y, distance) for distance in _DISTANCES)
        left, top = next((corner for corner in corners if corner is not None), self._clamp(text, x, y))
        width, height = text_size(text)
        self._draw.rectangle((left, top, left + width - 1, top + height - 1), fill=BLACK)
        self._write(text, left, top, colour)

    def draw_numbers(self, points: np.ndarray, radius: int) -> None:
        """Draw 1, 2, … beside rings of some radius, each where there is room for it."""
        if len(points) > MAX_NUMBERS:
            return
        for number, (x, y) in enumerate(self._picture_points(points), 1):
            corner = self._free_corner(str(number), x, y, radius + 1)
            if corner is not None:
                self._write(str(number), *corner, WHITE)

    def _picture_points(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Convert points to pixels of the picture; there 0 is the middle of the first pixel, and not its edge."""
        return [(x * self._scale - 0.5, y * self._scale - 0.5) for x, y in points.tolist()]

    def _free_corner(self, text: str, x: float, y: float, distance: float) -> tuple[float, float] | None:
        """Find the upper left corner of a text beside a point, inside the picture and clear of all that is drawn."""
        width, height = text_size(text)
        boxes = np.array(self._boxes).reshape(-1, 4)
        for right, down in _DIRECTIONS:
            left = x + right * (distance + width / 2) - width / 2
            top = y + down * (distance + height / 2) - height / 2
            if self._clamp(text, left, top) != (left, top):
                continue
            is_clear = (boxes[:, 0] >= left + width) | (boxes[:, 2] <= left)
            if (is_clear | (boxes[:, 1] >= top + height) | (boxes[:, 3] <= top)).all():
                return left, top
        return None

    def _clamp(self, text: str, left: float, top: float) -> tuple[float, float]:
        """Move the corner so that the whole text is in the picture."""
        width, height = text_size(text)
        return (
            max(0.0, min(left, self._image.width - width)),
            max(0.0, min(top, self._image.height - height)),
        )

    def _write(self, text: str, left: float, top: float, colour: Colour) -> None:
        width, height = text_size(text)
        self._boxes.append((left, top, left + width, top + height))
        at = (left + EDGE, top + EDGE)
        self._draw.text(at, text, colour, _FONT, "lt", stroke_width=1, stroke_fill=BLACK)


def text_size(text: str) -> tuple[float, float]:
    """Return width and height of a text with its edges."""
    left, top, right, bottom = _FONT.getbbox(text, anchor="lt")
    return right - left + 2 * EDGE, bottom - top + 2 * EDGE


def text_line(parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """Draw a line of words, each in its colour, on black."""
    starts = np.cumsum([4, *(math.ceil(_FONT.getlength(text)) + 10 for text, _ in parts)]).tolist()
    strip = Image.new("RGB", (starts[-1], HEADER))
    draw = ImageDraw.Draw(strip)
    for start, (text, colour) in zip(starts, parts, strict=False):
        draw.text((start, HEADER // 2), text, colour, _FONT, "lm")
    return np.asarray(strip)


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)
