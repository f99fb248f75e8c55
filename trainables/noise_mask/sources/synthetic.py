"""Synthetic images of three shapes, with a shortcut: a bright corner that tells the class, but not always.

An image shows a disc, a square or a triangle, which is its class, in one of two modalities: bright on a dark and quiet
ground, or dark on a mid-grey, uneven and noisy one. At the same size, the three shapes have the same area, so that
neither area nor mean brightness gives the class away. One of three corners is bright; each stands for a class. In
training it is mostly that of the image's own class, in validation and test it is less often. A model that has learnt
the corner and not the shape fails there. Shapes keep off the corners. They can be learnt from a few hundred images, but
the corner is learnt first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

import numpy as np

from trainables.contract import Split
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.split import ClassImages, choose_per_class

CLASSES = ("disc", "square", "triangle")
CORNERS = ((0, 0), (0, 1), (1, 0))
"""Corner of each class: row and column, 0 for top or left, 1 for bottom or right. The fourth is never bright."""

PATCH = 0.125
"""Side of the bright patch, as a share of the image's side."""

RADIUS = (0.13, 0.18)
"""Smallest and largest radius of a disc, as a share of the side; the other shapes have its area."""

_EDGES = {"square": 4, "triangle": 3}
_REACH = 1.56  # distance of a triangle's corner from its centre, in radii of the disc of its area
_GROUND = ((0.08, 0.2), (0.4, 0.55))  # brightness of the ground in either modality
_CONTRAST = ((0.3, 0.5), (-0.35, -0.22))  # brightness that a shape adds to it
_TURN = (-0.5, 0.5)  # rotation in radians, of a square or a triangle that lies on an edge
_SLOPE = (0.0, 0.08)  # rise of the ground's brightness from one end of the image to the other
_NOISE = (0.03, 0.06)  # standard deviation of every pixel
_PATCH_BRIGHTNESS = 0.9
_BATCH_SIZE = 64  # images that are drawn together, which bounds the memory
_COLUMNS = 12  # random numbers of an image's layout


class Layout(NamedTuple):
    """The content of a split's images, for any size in pixels: lengths are shares of the side, `[N]` each.

    Attributes:
        labels: int64, the class and shape.
        corner: int64, the class whose corner is bright.
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
    corner: np.ndarray
    modality: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    turn: np.ndarray
    contrast: np.ndarray
    ground: np.ndarray
    slope: np.ndarray


def load(config: Config, data: Data, split: Split) -> ClassImages:
    """Draw a split, a function of seed and split; with more images, the first ones stay the same.

    The images are grey; three channels repeat it. `data.train_per_class` takes the first of every class.

    Raises:
        UsageError: `data.train_per_class` is more than there are.
    """
    layout = draw_layout(data, split)
    pixels = np.concatenate(list(_draw_images(layout, config.image_size, _generator(data, split, 1))))
    images = ClassImages(
        images=pixels[..., None].repeat(config.channels, -1),
        rows=np.arange(len(layout.labels)),
        labels=layout.labels,
        classes=CLASSES,
        names=[f"{split}_{index:06d}" for index in range(len(layout.labels))],
        cue=layout.corner == layout.labels,
        modality=layout.modality,
    )
    if split != "train" or data.train_per_class is None:
        return images
    return images.select(choose_per_class(images.labels, data.train_per_class, CLASSES))


def draw_layout(data: Data, split: Split) -> Layout:
    """Draw the content of a split's images. Every three images in turn are one of each class."""
    count = data.train_size if split == "train" else data.val_size
    classes = len(CLASSES)
    # A row of random numbers for each image, so that more images leave the first ones as they are.
    table = _generator(data, split, 0).random((-(-count // classes) * classes, _COLUMNS))
    labels = table[:, 0].reshape(-1, classes).argsort(axis=1).ravel()[:count]
    column = iter(table[:count, 1:].T)
    is_cue = next(column) < (data.cue if split == "train" else data.cue_flipped)
    wrong_class = (labels + 1 + (next(column) * (classes - 1)).astype(np.int64)) % classes
    modality = (next(column) * 2).astype(np.int64)
    radius = _interpolate(next(column), RADIUS)
    margin = PATCH + _REACH * radius
    x, y = (margin + next(column) * (1 - 2 * margin) for _ in range(2))
    turn = _interpolate(next(column), _TURN)
    contrast, ground = (_interpolate(next(column), np.array(ends)[modality].T) for ends in (_CONTRAST, _GROUND))
    direction, rise = 2 * np.pi * next(column), _interpolate(next(column), _SLOPE) * modality
    slope = np.stack([rise * np.cos(direction), rise * np.sin(direction)], axis=1)
    corner = np.where(is_cue, labels, wrong_class)
    return Layout(labels, corner, modality, x, y, radius, turn, contrast, ground, slope)


def _generator(data: Data, split: Split, purpose: int) -> np.random.Generator:
    """Seed one generator for the layout and one for the noise, so that the layout is the same at any image size."""
    return np.random.default_rng([data.split_seed, get_args(Split).index(split), purpose])


def _interpolate(share: np.ndarray, ends: np.ndarray | tuple[float, float]) -> np.ndarray:
    values: np.ndarray = ends[0] + share * (ends[1] - ends[0])
    return values


def _draw_images(layout: Layout, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw the images, uint8 `[n, size, size]`, a batch at a time."""
    for first in range(0, len(layout.labels), _BATCH_SIZE):
        batch = Layout(*(values[first : first + _BATCH_SIZE] for values in layout))
        canvas = _draw_ground(batch, size)
        canvas += _column(batch.contrast) * _opacity(batch, size)
        _brighten_corner(canvas, batch.corner)
        noise = rng.standard_normal(canvas.shape, dtype=np.float32)
        canvas += _column(np.array(_NOISE)[batch.modality]) * noise
        yield np.rint(255 * canvas.clip(0, 1)).astype(np.uint8)


def _column(values: np.ndarray) -> np.ndarray:
    """Shape one number of every image to broadcast over its pixels, float32 `[n, 1, 1]`."""
    return values.astype(np.float32)[:, None, None]


def _draw_ground(layout: Layout, size: int) -> np.ndarray:
    """Draw the ground, float32 `[n, size, size]`."""
    position = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    rise_right, rise_down = _column(layout.slope[:, 0]) * position, _column(layout.slope[:, 1]) * position[:, None]
    ground: np.ndarray = _column(layout.ground) + rise_right + rise_down
    return ground


def _opacity(layout: Layout, size: int) -> np.ndarray:
    """Compute how much of every pixel a shape covers, float32 `[n, size, size]`; edges are antialiased."""
    position = ((np.arange(size) + 0.5) / size).astype(np.float32)
    right, down = position - _column(layout.x), position[:, None] - _column(layout.y)
    distance = np.empty((len(layout.labels), size, size), np.float32)  # beyond the edge; below 0 within
    for label, name in enumerate(CLASSES):
        rows = np.flatnonzero(layout.labels == label)
        radius, turn = _column(layout.radius[rows]), layout.turn[rows]
        distance[rows] = _distance(right[rows], down[rows], radius, turn, _EDGES.get(name, 0))
    opacity: np.ndarray = (0.5 - distance * size).clip(0, 1)  # half a pixel either side of the edge
    return opacity


def _distance(right: np.ndarray, down: np.ndarray, radius: np.ndarray, turn: np.ndarray, edges: int) -> np.ndarray:
    """Measure how far pixels are from the edge of regular polygons, or of discs where `edges` is 0; below 0 within."""
    if edges == 0:
        from_disc: np.ndarray = np.hypot(right, down) - radius
        return from_disc
    normals = [turn + np.pi / 2 + 2 * np.pi * edge / edges for edge in range(edges)]  # the first one points down
    projections = [right * _column(np.cos(angle)) + down * _column(np.sin(angle)) for angle in normals]
    apothem = radius * np.float32(np.sqrt(np.pi / (edges * np.tan(np.pi / edges))))  # of the disc's area
    from_edge: np.ndarray = np.maximum.reduce(projections) - apothem
    return from_edge


def _brighten_corner(canvas: np.ndarray, corner: np.ndarray) -> None:
    """Light the corner of a class in every image."""
    size = canvas.shape[1]
    side = max(1, round(PATCH * size))
    for label, (bottom, right) in enumerate(CORNERS):
        top, left = bottom * (size - side), right * (size - side)
        canvas[corner == label, top : top + side, left : left + side] = _PATCH_BRIGHTNESS
