"""Synthetic images: coloured discs to count, among thin coloured lines, on an uneven and faintly noisy ground.

A disc touches no other and lies wholly in the image. Its centre is in pixels, 0 being the edge of the first one. With
`data.ambiguous`, centres lie within a pixel of the borders between rows, so that the reading order of neighbours
depends on less than is visible: the errors of location that follow are not the network's fault.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np

from trainables.contract import Split
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.letterbox import letterbox
from trainables.seq_attention.sources.bounds import select_by_count
from trainables.seq_attention.split import Scenes
from trainables.settings import UsageError

DISCS = (1, 12)
"""Fewest and most discs of an image; fewer than that where it has no room."""

ASPECT = (0.75, 1.25)
"""Smallest and largest width of an image, as a share of its height."""

RADIUS = (4 / 128, 7 / 128)
"""Smallest and largest radius of a disc, as a share of the height."""

JITTER = 1.0
"""Pixels by which an ambiguous centre may lie above or below the border of a row."""

_GAP = 1 / 128  # least distance between two discs, and to the edge, as a share of the height
_TRIES = 300  # tries to find a place for a disc
_LINES = (2, 5)  # fewest and most lines
_LENGTH, _WIDTH = (8 / 128, 24 / 128), (1.2 / 128, 2 / 128)  # of lines, as shares of the height
_GREY, _TINT = (70.0, 185.0), 10.0  # the ground's brightness, and by how much each of its colours may differ
_UNEVEN, _NOISE = 14.0, 3.0  # largest deviation of the ground's brightness, and of the noise, in grey levels
_SATURATION, _VALUE = (0.75, 1.0), (0.7, 1.0)  # enough to stand out from any grey by 90 levels and more


class Layout(NamedTuple):
    """The discs of an image: its width and height in pixels, centres `[n, 2]` and radii `[n]` in pixels."""

    size: tuple[int, int]
    centres: np.ndarray
    radii: np.ndarray


def load(config: Config, data: Data, split: Split) -> Scenes:
    """Render one split; a function of seed, split and index, so that the first images stay at any number.

    Raises:
        UsageError: `data.ambiguous` and rows so high that no border is inside an image; or no image with as many
            objects as the data's bounds allow.
    """
    count, side = _split_size(data, split), config.image_size
    images = np.empty((count, side, side, 3), np.uint8)
    layouts = []
    for index in range(count):
        rng = _generator(data, split, index)
        layouts.append(draw_layout(rng, data))
        images[index] = letterbox(render(rng, layouts[-1]), side)
    scenes = Scenes(
        names=[f"{split}_{index:05d}" for index in range(count)],
        images=images,
        rows=np.arange(count),
        sizes=np.array([layout.size for layout in layouts], dtype=np.int64),
        points=[layout.centres for layout in layouts],
        calibration=np.zeros(count, dtype=bool),
    )
    mask = select_by_count(scenes.counts, data, split)
    return scenes if mask.all() else scenes.select(mask)


def count_objects(data: Data, split: Split) -> np.ndarray:
    """Count the discs of each image of a split, int64 `[N]`, without rendering any."""
    generators = (_generator(data, split, index) for index in range(_split_size(data, split)))
    return np.array([len(draw_layout(rng, data).centres) for rng in generators], dtype=np.int64)


def draw_layout(rng: np.random.Generator, data: Data) -> Layout:
    """Draw discs in turn, and take those that touch no earlier one.

    Raises:
        UsageError: `data.ambiguous` and rows so high that no border is inside an image.
    """
    height = data.size
    width = int(rng.integers(round(ASPECT[0] * height), round(ASPECT[1] * height) + 1))
    count = int(rng.integers(DISCS[0], DISCS[1] + 1))
    radii = height * rng.uniform(*RADIUS, _TRIES)
    margin = radii + height * _GAP
    x = rng.uniform(margin, width - margin)
    y = _along_rows(rng, margin, data) if data.ambiguous else rng.uniform(margin, height - margin)
    centres = np.column_stack([x, y]).astype(np.float32)
    discs: list[int] = []
    for index in range(_TRIES):
        distances = np.hypot(*(centres[discs] - centres[index]).T)
        if (distances >= radii[discs] + margin[index]).all():
            discs.append(index)
        if len(discs) == count:
            break
    return Layout((width, height), centres[discs], radii[discs])


def render(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Render the image, uint8 `[H, W, 3]`; edges are antialiased."""
    canvas = _background(rng, layout.size)
    height = layout.size[1]
    for _ in range(rng.integers(_LINES[0], _LINES[1] + 1)):
        middle, angle = rng.uniform((0, 0), layout.size), rng.uniform(0, np.pi)
        half = height * rng.uniform(*_LENGTH) / 2 * np.array([np.cos(angle), np.sin(angle)])
        _paint(canvas, middle, half, height * rng.uniform(*_WIDTH) / 2, _colour(rng))
    for centre, radius in zip(layout.centres, layout.radii, strict=True):
        _paint(canvas, centre, np.zeros(2), radius, _colour(rng))
    canvas += _NOISE * rng.standard_normal(canvas.shape, dtype=np.float32)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _split_size(data: Data, split: Split) -> int:
    return data.train_size if split == "train" else data.val_size


def _generator(data: Data, split: Split, index: int) -> np.random.Generator:
    return np.random.default_rng([data.split_seed, get_args(Split).index(split), index])


def _along_rows(rng: np.random.Generator, margin: np.ndarray, data: Data) -> np.ndarray:
    """Draw the y of each try: a border between rows, give or take `JITTER`."""
    borders = data.row_height * np.arange(1, data.size // data.row_height + 1)
    reach = float(margin.max()) + JITTER
    inside = borders[(borders >= reach) & (borders <= data.size - reach)]
    if not len(inside):
        raise UsageError(
            f"data.ambiguous=true needs a border of rows in the image, but data.row_height={data.row_height:g} leaves "
            f"none in one of data.size={data.size}: lower it to {data.size / 2:g} or less."
        )
    return rng.choice(inside, _TRIES) + rng.uniform(-JITTER, JITTER, _TRIES)


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Draw the ground, float32 `[H, W, 3]`: grey with a slight tint, of uneven brightness."""
    width, height = size
    colour = rng.uniform(*_GREY) + rng.uniform(-_TINT, _TINT, 3)
    horizontal, vertical = (np.cos(np.pi * (rng.uniform(0.5, 2) * np.arange(n) / n + rng.uniform(0, 2))) for n in size)
    uneven = _UNEVEN * (vertical[:height, None] + horizontal[None, :width]) / 2
    return (colour + uneven[..., None]).astype(np.float32)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour of any hue: red, green and blue, 0 to 255."""
    hue, saturation, value = rng.uniform(0, 6), rng.uniform(*_SATURATION), rng.uniform(*_VALUE)
    wheel = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return 255 * value * (1 - saturation * (1 - wheel))


def _paint(canvas: np.ndarray, middle: np.ndarray, half: np.ndarray, radius: float, colour: np.ndarray) -> None:
    """Paint all within a radius of the line from `middle − half` to `middle + half`; a disc where `half` is 0."""
    reach = np.abs(half) + radius + 1
    first = np.maximum(np.floor(middle - reach), 0).astype(int)
    x, y = (
        np.arange(start, min(int(np.ceil(end)), limit)) + 0.5
        for start, end, limit in zip(first, middle + reach, (canvas.shape[1], canvas.shape[0]), strict=True)
    )
    right, down = x[None, :] - middle[0], y[:, None] - middle[1]
    length_square = max(float(half @ half), 1e-12)
    along = np.clip((right * half[0] + down * half[1]) / length_square, -1, 1)
    distance = np.hypot(right - along * half[0], down - along * half[1])
    opacity = np.clip(radius + 0.5 - distance, 0, 1)[..., None]
    part = canvas[first[1] : first[1] + len(y), first[0] : first[0] + len(x)]
    part += (opacity * (colour - part)).astype(np.float32)
