"""Synthetic images whose fixation density is known: the attraction of their content times the viewers' centre bias.

An image has three to six soft blobs on grey noise. A blob attracts by its colour (red more than green, green more than
blue) in a disc a little wider than itself; the viewers' bias is independent of the content. The density of a fixation
is the product of both, normalised over the cells, so that the best that any model can reach is known in closed form.
With `data.saccade` a fixation is near the preceding one, too, which a model can learn from the history.
"""

from __future__ import annotations

import numpy as np

from trainables.contract import Split
from trainables.entropy_reg.config import CELL, Config, Data
from trainables.entropy_reg.scanpaths import Fixations, scored_fixations
from trainables.entropy_reg.split import Shape, Stimuli, cell_grid

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_COLOURS = np.array([[225, 45, 40], [45, 190, 60], [50, 80, 230]], np.float64)
_PULL = np.array([1.0, 0.4, 0.1])
_BASE = 0.02  # attraction of the background
_WIDTH_RATIO = 1.3  # of a blob's attraction to the blob
_GREY = 120.0
SPREAD = 0.2
"""Deviation of the centre bias as a share of width and of height."""


def load(config: Config, data: Data, split: Split) -> Stimuli:
    """Draw a split: images of `image_size` by three quarters of it, each seen by `data.viewers` viewers."""
    size = config.image_size
    shape = (size * 3 // 4, size)
    number = data.train_size if split == "train" else data.val_size
    images = [_draw_image(shape, data.noise, _generator(data, split, index, 0)) for index in range(number)]
    fixations = [
        _draw_fixations(truth, shape, data, _generator(data, split, index, 1))
        for index, (_, truth) in enumerate(images)
    ]
    return Stimuli(
        key=("synthetic 1", size, split, number, data.noise, data.split_seed),
        names=[f"{split}_{index:04d}" for index in range(number)],
        pixels=[pixels for pixels, _ in images],
        fixations=fixations,
        viewers=np.full(number, data.viewers),
        truth=[truth for _, truth in images],
    )


def log_bias(bias: str, shape: Shape) -> np.ndarray:
    """Compute the viewers' log-bias over the cells of an image of `shape` pixels: float64 `[h, w]`, unnormalised."""
    if bias == "none":
        return np.zeros(cell_grid(shape))
    centre = 0.5 if bias == "centre" else 0.28
    y, x = _cell_centres(shape)
    return -((y / shape[0] - centre) ** 2 + (x / shape[1] - centre) ** 2) / (2 * SPREAD**2)


def normalise(log_density: np.ndarray) -> np.ndarray:
    """Shift a log-density, nats, so that its exponential sums to 1."""
    below_zero = log_density - log_density.max()  # so that exp cannot overflow
    return below_zero - np.log(np.exp(below_zero).sum())


def log_proximity(last: np.ndarray, saccade: float, shape: Shape) -> np.ndarray:
    """Compute the log of a fixation's dependence on the last one, unnormalised, float64 `[h, w]`.

    It is 0 where there is no last one (NaN), or `saccade` is 0.
    """
    if saccade == 0 or np.isnan(last).any():
        return np.zeros(cell_grid(shape))
    y, x = _cell_centres(shape)
    return -((x - last[0]) ** 2 + (y - last[1]) ** 2) / (2 * (saccade * max(shape)) ** 2)


def _generator(data: Data, split: Split, index: int, stream: int) -> np.random.Generator:
    """Return the generator of an image (stream 0) or of its viewers (stream 1).

    Viewers have a stream of their own, so that a data set with another bias has the same images.
    """
    return np.random.default_rng([data.split_seed, _SPLITS.index(split), index, stream])


def _cell_centres(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return y `[h, 1]` and x `[1, w]` of the cells' centres in pixels."""
    rows, columns = (np.arange(side) * CELL + CELL / 2 for side in cell_grid(shape))
    return rows[:, None], columns[None]


def _draw_image(shape: Shape, noise: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image, uint8 `[H, W, 3]`, and the log of its attraction, float64 `[h, w]`."""
    height, width = shape
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    cell_y, cell_x = _cell_centres(shape)
    image = _GREY + generator.normal(0, noise, (height, width, 3))
    attraction = np.full(cell_grid(shape), _BASE)
    for _ in range(generator.integers(3, 7)):
        centre_x, centre_y = generator.uniform(0.05, 0.95, 2) * (width, height)
        radius, kind = generator.uniform(0.03, 0.06) * width, generator.integers(len(_PULL))
        opacity = 0.9 * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * radius**2))[..., None]
        image = (1 - opacity) * image + opacity * _COLOURS[kind]
        width_term = 2 * (_WIDTH_RATIO * radius) ** 2
        attraction += _PULL[kind] * np.exp(-((cell_x - centre_x) ** 2 + (cell_y - centre_y) ** 2) / width_term)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels, np.log(attraction)


def _draw_fixations(truth: np.ndarray, shape: Shape, data: Data, generator: np.random.Generator) -> Fixations:
    """Draw the scored fixations of all viewers of an image."""
    log_density = truth + log_bias(data.bias, shape)
    paths = [_draw_scanpath(log_density, shape, data, generator) for _ in range(data.viewers)]
    return scored_fixations(tuple(paths), shape[1], shape[0], first_is_history=data.first_is_history)


def _draw_scanpath(log_density: np.ndarray, shape: Shape, data: Data, generator: np.random.Generator) -> np.ndarray:
    """Draw one viewer's fixations, float32 `[n, 2]`, x and y; uniform within a cell."""
    path = [np.full(2, np.nan)]
    for _ in range(data.fixations + data.first_is_history):
        density = np.exp(normalise(log_density + log_proximity(path[-1], data.saccade, shape))).ravel()
        row, column = divmod(int(generator.choice(density.size, p=density / density.sum())), log_density.shape[1])
        path.append((np.array([column, row]) + generator.uniform(0, 1, 2) * 0.999) * CELL)
    return np.array(path[1:], np.float32)
