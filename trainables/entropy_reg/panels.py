"""Panels of densities: images with their fixations and what the model expects, and the bias before training and now."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from trainables.entropy_reg.contentless import Bias
from trainables.entropy_reg.judging import Judge
from trainables.images.sheets import add_header, arrange_grid, to_rgb

IMAGES = 4
"""Images that have a panel."""

WIDTH = 256
"""Pixels of a picture in a panel."""

SCALE = 3.0
"""Bits relative to uniform at the ends of the bias maps' colours."""

_HEAT = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], np.float64)
_DIVERGING = np.array([[33, 80, 160], [140, 180, 215], [245, 245, 245], [240, 160, 120], [165, 20, 40]], np.float64)


def draw_panels(judge: Judge, biases: Mapping[str, Bias], first_density: np.ndarray | None) -> dict[str, np.ndarray]:
    """Draw a few images, evenly chosen, each with its fixations and its density; and the bias.

    Args:
        judge: of the images.
        biases: of the model as it is, by kind of image.
        first_density: on uniform images before training, `[h, w]`.
    """
    number = min(IMAGES, len(judge.stimuli))
    indices = np.linspace(0, len(judge.stimuli) - 1, number).astype(int).tolist()
    images = {f"image_{position}": draw_image(judge, index) for position, index in enumerate(indices, start=1)}
    return {**images, "bias": draw_biases(biases, first_density)}


def draw_image(judge: Judge, index: int) -> np.ndarray:
    """Draw an image three times: with its fixations, with its density on top, and with both."""
    stimuli = judge.stimuli
    density = np.exp(judge.mean_log_density(index))
    image = _resize(to_rgb(stimuli.pixels[index]), WIDTH, Image.Resampling.BILINEAR)
    heat = _resize(apply_colours(density / density.max(), _HEAT), WIDTH, Image.Resampling.BILINEAR)
    blend = np.rint(0.35 * image + 0.65 * heat).astype(np.uint8)
    points = stimuli.fixations[index].points * (image.shape[1] / stimuli.shapes[index][1])
    cells = [
        add_header(_draw_dots(image, points), f"{len(points)} fixations"),
        add_header(blend, "density"),
        add_header(_draw_dots(blend, points), "both"),
    ]
    return arrange_grid(cells, stimuli.names[index], columns=3)


def draw_biases(biases: Mapping[str, Bias], first_density: np.ndarray | None) -> np.ndarray:
    """Draw mean densities on images without content, all on one scale of bits relative to uniform.

    Args:
        biases: of the model as it is, by kind of image.
        first_density: on uniform images before training, `[h, w]`.
    """
    cells = [] if first_density is None else [_draw_map(first_density, "uniform, before training")]
    cells += [_draw_map(bias.density, f"{kind}: {bias.bits.mean():.3f} bits") for kind, bias in biases.items()]
    return arrange_grid(cells, f"bias   blue to red: -{SCALE:g} to +{SCALE:g} bits relative to uniform", columns=5)


def apply_colours(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colour values from 0 to 1, between evenly spaced `colours`: uint8 `[h, w, 3]`."""
    ends = np.linspace(0, 1, len(colours))
    channels = [np.interp(values, ends, colours[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def bias_map(density: np.ndarray) -> np.ndarray:
    """Colour a density over the cells, red where it is above uniform and blue where it is below: uint8 `[h, w, 3]`."""
    bits = np.log2(np.maximum(density * density.size, 1e-9))
    return apply_colours(np.clip(bits / (2 * SCALE) + 0.5, 0, 1), _DIVERGING)


def _draw_map(density: np.ndarray, title: str) -> np.ndarray:
    return add_header(_resize(bias_map(density), WIDTH, Image.Resampling.NEAREST), title)


def _draw_dots(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for x, y in points.tolist():
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(90, 230, 90), outline=(0, 0, 0))
    return np.asarray(image)


def _resize(picture: np.ndarray, width: int, resampling: Image.Resampling) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(Image.fromarray(picture).resize((width, height), resampling))
