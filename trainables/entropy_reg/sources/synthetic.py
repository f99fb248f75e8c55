"""Synthetic images whose fixation density is known: what attracts in them, times the viewers' centre bias.

Three to six soft blobs on grey noise. Each attracts as its colour says (red more than green more than blue) in a disc a
little wider than itself; viewers look at the middle of the image whatever it shows. The density of a fixation is the
product of both, normalised over the cells, so that the best that any model can reach is known in closed form. With
`data.saccade` a fixation is near the one before it, too: that is what a history can know.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trainables.contract import Split
from trainables.entropy_reg.config import CELL, Data
from trainables.entropy_reg.scanpaths import Fixations, fixations
from trainables.entropy_reg.stimuli import Shape, Stimuli, cells

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_COLOURS = np.array([[225, 45, 40], [45, 190, 60], [50, 80, 230]], np.float64)
_PULL = np.array([1.0, 0.4, 0.1])
_BASE = 0.02  # attraction of the background
_WIDER = 1.3  # a blob's attraction against the blob
_GREY = 120.0
SPREAD = 0.2
"""Deviation of the centre bias as a share of width and of height."""


@lru_cache(maxsize=8)
def load(size: int, data: Data, split: Split) -> Stimuli:
    """A split: images of `size` by three quarters of it, each with the fixations of `data.viewers` viewers."""
    shape = (size * 3 // 4, size)
    number = data.train_size if split == "train" else data.val_size
    made = [_image(shape, data.noise, _generator(data, split, place, 0)) for place in range(number)]
    seen = [_seen(truth, shape, data, _generator(data, split, place, 1)) for place, (_, truth) in enumerate(made)]
    return Stimuli(
        key=("synthetic 1", size, split, number, data.noise, data.split_seed),
        names=[f"{split}_{place:04d}" for place in range(number)],
        pixels=[image for image, _ in made],
        fixations=seen,
        truth=[truth for _, truth in made],
    )


def log_bias(bias: str, shape: Shape) -> np.ndarray:
    """The viewers' bias over the cells of an image of `shape` pixels, log, not normalised: float64 `[h, w]`."""
    if bias == "none":
        return np.zeros(cells(shape))
    middle = 0.5 if bias == "centre" else 0.28
    y, x = _middles(shape)
    return -((y / shape[0] - middle) ** 2 + (x / shape[1] - middle) ** 2) / (2 * SPREAD**2)


def normalised(log_density: np.ndarray) -> np.ndarray:
    """The log-density, nats, whose exp sums to 1."""
    shifted = log_density - log_density.max()
    return shifted - np.log(np.exp(shifted).sum())


def log_reach(last: np.ndarray, saccade: float, shape: Shape) -> np.ndarray:
    """How a fixation hangs on the last one, log, not normalised, float64 `[h, w]`; 0 without either."""
    if saccade == 0 or np.isnan(last).any():
        return np.zeros(cells(shape))
    y, x = _middles(shape)
    return -((x - last[0]) ** 2 + (y - last[1]) ** 2) / (2 * (saccade * max(shape)) ** 2)


def _generator(data: Data, split: Split, place: int, stream: int) -> np.random.Generator:
    """Viewers have a stream of their own: the images of a twin with another bias are the same."""
    return np.random.default_rng([data.split_seed, _SPLITS.index(split), place, stream])


def _middles(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """y `[h, 1]` and x `[1, w]` of the cells' middles in pixels."""
    rows, columns = (np.arange(side) * CELL + CELL / 2 for side in cells(shape))
    return rows[:, None], columns[None]


def _image(shape: Shape, noise: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 `[H, W, 3]`, and the log of its attraction, float64 `[h, w]`."""
    height, width = shape
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    coarse_y, coarse_x = _middles(shape)
    image = _GREY + generator.normal(0, noise, (height, width, 3))
    attraction = np.full(cells(shape), _BASE)
    for _ in range(generator.integers(3, 7)):
        at_x, at_y = generator.uniform(0.05, 0.95, 2) * (width, height)
        radius, kind = generator.uniform(0.03, 0.06) * width, generator.integers(len(_PULL))
        cover = 0.9 * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * radius**2))[..., None]
        image = (1 - cover) * image + cover * _COLOURS[kind]
        reach = 2 * (_WIDER * radius) ** 2
        attraction += _PULL[kind] * np.exp(-((coarse_x - at_x) ** 2 + (coarse_y - at_y) ** 2) / reach)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels, np.log(attraction)


def _seen(truth: np.ndarray, shape: Shape, data: Data, generator: np.random.Generator) -> Fixations:
    """What the viewers fixate."""
    biased = truth + log_bias(data.bias, shape)
    paths = [_scanpath(biased, shape, data, generator) for _ in range(data.viewers)]
    return fixations(tuple(paths), shape[1], shape[0], forced=data.forced)


def _scanpath(biased: np.ndarray, shape: Shape, data: Data, generator: np.random.Generator) -> np.ndarray:
    """float32 `[n, 2]`, x and y; uniform within a cell."""
    path = [np.full(2, np.nan)]
    for _ in range(data.fixations + data.forced):
        density = np.exp(normalised(biased + log_reach(path[-1], data.saccade, shape))).ravel()
        row, column = divmod(int(generator.choice(density.size, p=density / density.sum())), biased.shape[1])
        path.append((np.array([column, row]) + generator.uniform(0, 1, 2) * 0.999) * CELL)
    return np.array(path[1:], np.float32)
