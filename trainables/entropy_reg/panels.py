"""Pictures of densities: images with what was fixated and what is expected, and the bias before training and now."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from trainables.entropy_reg.contentless import Bias
from trainables.entropy_reg.judging import Judge
from trainables.entropy_reg.model import DeepGaze
from trainables.images.sheets import arrange_grid, add_header, to_rgb

COUNT = 4
WIDTH = 256  # pixels of a picture
SCALE = 3.0  # bits relative to uniform at the ends of the bias maps' colours

_HEAT = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], np.float64)
_LESS_MORE = np.array([[33, 80, 160], [140, 180, 215], [245, 245, 245], [240, 160, 120], [165, 20, 40]], np.float64)


def images(judge: Judge, net: DeepGaze) -> dict[str, np.ndarray]:
    """A few images, evenly chosen: with fixations, and with the density on top of the image and alone."""
    number = min(COUNT, len(judge.stimuli))
    places = np.linspace(0, len(judge.stimuli) - 1, number).astype(int).tolist()
    return {f"image_{index + 1}": _image(judge, net, place) for index, place in enumerate(places)}


def bias(measured: Mapping[str, Bias], before: np.ndarray | None) -> np.ndarray:
    """Mean densities on images without content, all on one scale of bits relative to uniform.

    Args:
        measured: of the model as it is, by kind of image.
        before: on uniform images before training, `[h, w]`.
    """
    cells = [] if before is None else [_map(before, "uniform, before training")]
    cells += [_map(each.density, f"{kind}: {each.bits.mean():.3f} bits") for kind, each in measured.items()]
    return arrange_grid(cells, f"bias   blue to red: -{SCALE:g} to +{SCALE:g} bits relative to uniform", columns=5)


def coloured(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]` of values from 0 to 1, between evenly spaced `colours`."""
    ends = np.linspace(0, 1, len(colours))
    channels = [np.interp(values, ends, colours[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def bias_map(density: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]` of a density over the cells: red where it is above uniform, blue where it is below."""
    bits = np.log2(np.maximum(density * density.size, 1e-9))
    return coloured(np.clip(bits / (2 * SCALE) + 0.5, 0, 1), _LESS_MORE)


def _map(density: np.ndarray, title: str) -> np.ndarray:
    return add_header(_resized(bias_map(density), WIDTH, Image.Resampling.NEAREST), title)


def _image(judge: Judge, net: DeepGaze, place: int) -> np.ndarray:
    stimuli = judge.stimuli
    density = np.exp(judge.density(net, place))
    shown = _resized(to_rgb(stimuli.pixels[place]), WIDTH, Image.Resampling.BILINEAR)
    heat = coloured(density / density.max(), _HEAT)
    over = _resized(heat, WIDTH, Image.Resampling.BILINEAR)
    blended = np.rint(0.35 * shown + 0.65 * over).astype(np.uint8)
    scale = shown.shape[1] / stimuli.shapes[place][1]
    seen = _dotted(shown, stimuli.fixations[place].points * scale)
    cells = [add_header(seen, f"{len(stimuli.fixations[place].points)} fixations"), add_header(blended, "density")]
    cells += [add_header(_dotted(blended, stimuli.fixations[place].points * scale), "both")]
    return arrange_grid(cells, stimuli.names[place], columns=3)


def _dotted(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for x, y in points.tolist():
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(90, 230, 90), outline=(0, 0, 0))
    return np.asarray(image)


def _resized(picture: np.ndarray, width: int, how: Image.Resampling) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(Image.fromarray(picture).resize((width, height), how))
