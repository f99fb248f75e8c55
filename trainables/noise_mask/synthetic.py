"""Synthetic images of three shapes, with a shortcut: a bright corner that tells the class, but not always.

An image shows a disc, a square or a triangle, which is its class, in one of two modalities: bright on a dark and quiet
ground, or dark on a mid-grey, uneven and noisy one. At the same size, the three shapes have the same area, so that
neither area nor mean brightness gives the class away. One of three corners is bright; each stands for a class. In
training it is mostly that of the image's own class, in validation and test it is less often. Who learns the corner and
not the shape is found out there. Shapes keep off the corners. They can be learnt from a few hundred images, but the
corner is learnt first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

import numpy as np

from trainables.contract import Split
from trainables.noise_mask.config import Data
from trainables.noise_mask.labelled import Labelled, first_of_each

CLASSES = ("disc", "square", "triangle")
CORNERS = ((0, 0), (0, 1), (1, 0))
"""Corner of each class: row and column, 0 for top or left, 1 for bottom or right. The fourth is never bright."""

PATCH = 0.125
"""Side of the bright patch, as a share of the image's side."""

RADIUS = (0.13, 0.18)
"""Smallest and largest radius of a disc, as a share of the side; the other shapes have its area."""

_EDGES = {"square": 4, "triangle": 3}
_REACH = 1.56  # a triangle's corner is this many radii of the disc of its area away from its centre
_GROUND = ((0.08, 0.2), (0.4, 0.55))  # brightness of the ground in either modality
_CONTRAST = ((0.3, 0.5), (-0.35, -0.22))  # what a shape adds to it
_TURN = (-0.5, 0.5)  # rotation in radians, of a square or a triangle that lies on an edge
_SLOPE = (0.0, 0.08)  # by how much the ground may rise and fall from one end of the image to the other
_NOISE = (0.03, 0.06)  # standard deviation of every pixel
_BRIGHT = 0.9  # the patch's brightness
_AT_ONCE = 64  # images that are drawn together, which bounds the memory
_COLUMNS = 12  # random numbers of an image's layout


class Layout(NamedTuple):
    """What the images of a split show, for any size in pixels: lengths are shares of the side, `[N]` each.

    Attributes:
        labels: int64, the class and shape.
        shown: int64, the class whose corner is bright.
        modality: int64, 0 or 1.
        x: the shape's centre from the left.
        y: the shape's centre from the top.
        radius: that of the disc of the shape's area.
        turn: the shape's rotation in radians, clockwise; at 0 it lies on an edge.
        contrast: brightness of the shape less that of the ground.
        ground: brightness of the ground in the image's middle.
        slope: `[N, 2]`, rise of the ground's brightness over the width and over the height.
    """

    labels: np.ndarray
    shown: np.ndarray
    modality: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    turn: np.ndarray
    contrast: np.ndarray
    ground: np.ndarray
    slope: np.ndarray


def load(size: int, channels: int, data: Data, split: Split) -> Labelled:
    """One split, a function of seed and split, of which the first images stay at any number.

    The pictures are grey; three channels repeat it. `data.train_per_class` takes the first of every class.

    Raises:
        UsageError: `data.train_per_class` is more than there are.
    """
    shown = layout(data, split)
    labelled = Labelled(
        images=np.concatenate(list(_drawn(shown, size, _generator(data, split, 1))))[..., None].repeat(channels, -1),
        rows=np.arange(len(shown.labels)),
        labels=shown.labels,
        classes=CLASSES,
        names=[f"{split}_{place:06d}" for place in range(len(shown.labels))],
        cue=shown.shown == shown.labels,
        modality=shown.modality,
    )
    if split != "train" or data.train_per_class is None:
        return labelled
    return labelled.select(first_of_each(labelled.labels, data.train_per_class, CLASSES))


def layout(data: Data, split: Split) -> Layout:
    """What the images of a split show. Every three images in turn are one of each class."""
    count = data.train_size if split == "train" else data.val_size
    classes = len(CLASSES)
    table = _generator(data, split, 0).random((-(-count // classes) * classes, _COLUMNS))
    labels = table[:, 0].reshape(-1, classes).argsort(axis=1).ravel()[:count]
    column = iter(table[:count, 1:].T)
    points = next(column) < (data.cue if split == "train" else data.cue_flipped)
    other = (labels + 1 + (next(column) * (classes - 1)).astype(np.int64)) % classes
    modality = (next(column) * 2).astype(np.int64)
    radius = _between(next(column), RADIUS)
    margin = PATCH + _REACH * radius
    x, y = (margin + next(column) * (1 - 2 * margin) for _ in range(2))
    turn = _between(next(column), _TURN)
    contrast, ground = (_between(next(column), np.array(each)[modality].T) for each in (_CONTRAST, _GROUND))
    direction, rise = 2 * np.pi * next(column), _between(next(column), _SLOPE) * modality
    slope = np.stack([rise * np.cos(direction), rise * np.sin(direction)], axis=1)
    shown = np.where(points, labels, other)
    return Layout(labels, shown, modality, x, y, radius, turn, contrast, ground, slope)


def _generator(data: Data, split: Split, purpose: int) -> np.random.Generator:
    """One for the layout and one for the noise, so that the former is the same at any size of the image."""
    return np.random.default_rng([data.split_seed, get_args(Split).index(split), purpose])


def _between(share: np.ndarray, ends: np.ndarray | tuple[float, float]) -> np.ndarray:
    between: np.ndarray = ends[0] + share * (ends[1] - ends[0])
    return between


def _drawn(shown: Layout, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The images, uint8 `[n, size, size]`, some at a time."""
    for first in range(0, len(shown.labels), _AT_ONCE):
        part = Layout(*(each[first : first + _AT_ONCE] for each in shown))
        canvas = _ground(part, size)
        canvas += _column(part.contrast) * _opacity(part, size)
        _brighten(canvas, part.shown)
        noise = rng.standard_normal(canvas.shape, dtype=np.float32)
        canvas += _column(np.array(_NOISE)[part.modality]) * noise
        yield np.rint(255 * canvas.clip(0, 1)).astype(np.uint8)


def _column(values: np.ndarray) -> np.ndarray:
    """One number of every image, float32 `[n, 1, 1]`."""
    return values.astype(np.float32)[:, None, None]


def _ground(shown: Layout, size: int) -> np.ndarray:
    """float32 `[n, size, size]`."""
    along = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    across, down = _column(shown.slope[:, 0]) * along, _column(shown.slope[:, 1]) * along[:, None]
    ground: np.ndarray = _column(shown.ground) + across + down
    return ground


def _opacity(shown: Layout, size: int) -> np.ndarray:
    """How much of every pixel a shape covers, float32 `[n, size, size]`; edges are antialiased."""
    along = ((np.arange(size) + 0.5) / size).astype(np.float32)
    right, down = along - _column(shown.x), along[:, None] - _column(shown.y)
    outside = np.empty((len(shown.labels), size, size), np.float32)  # distance beyond the edge, below 0 within
    for label, name in enumerate(CLASSES):
        rows = np.flatnonzero(shown.labels == label)
        radius, turn = _column(shown.radius[rows]), shown.turn[rows]
        outside[rows] = _distance(right[rows], down[rows], radius, turn, _EDGES.get(name, 0))
    opacity: np.ndarray = (0.5 - outside * size).clip(0, 1)
    return opacity


def _distance(right: np.ndarray, down: np.ndarray, radius: np.ndarray, turn: np.ndarray, edges: int) -> np.ndarray:
    """Distance of pixels from the edge of regular polygons, or of discs where `edges` is 0; below 0 within."""
    if edges == 0:
        from_disc: np.ndarray = np.hypot(right, down) - radius
        return from_disc
    normals = [turn + np.pi / 2 + 2 * np.pi * each / edges for each in range(edges)]  # the first one points down
    beyond = [right * _column(np.cos(angle)) + down * _column(np.sin(angle)) for angle in normals]
    apothem = radius * np.float32(np.sqrt(np.pi / (edges * np.tan(np.pi / edges))))  # of the disc's area
    from_edge: np.ndarray = np.maximum.reduce(beyond) - apothem
    return from_edge


def _brighten(canvas: np.ndarray, shown: np.ndarray) -> None:
    """Light the corner of a class in every image."""
    size = canvas.shape[1]
    side = max(1, round(PATCH * size))
    for label, (bottom, right) in enumerate(CORNERS):
        top, left = bottom * (size - side), right * (size - side)
        canvas[shown == label, top : top + side, left : left + side] = _BRIGHT
