"""Panels: what the mask keeps and drops of a few fixed validation examples."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from trainables.images.sheets import add_header, magnify, text_bar, to_rgb
from trainables.mask_st.scoring import Predictions
from trainables.mask_st.split import Examples
from trainables.mask_st.views import blur

MAX_PANELS = 6
MIN_SIDE = 192  # of a picture, in pixels
TITLES = ("image", "boxes", "probability", "mask", "keep", "drop")
BOX_COLOUR = (230, 60, 60)


def choose_examples(examples: Examples) -> np.ndarray:
    """Choose the examples that panels show: those with boxes first, then those with a finding, in their own order.

    Returns:
        int64 `[n]`, their indices.
    """
    has_boxes = np.array([len(boxes) > 0 for boxes in examples.boxes])
    positive = examples.labels.sum(axis=1) > 0
    return np.argsort(-(2 * has_boxes + positive), kind="stable")[:MAX_PANELS]


def draw_panels(
    examples: Examples, indices: np.ndarray, predictions: Predictions, reference: str
) -> dict[str, np.ndarray]:
    """Draw a panel for each of some examples, by title: uint8 `[H, W, 3]`.

    Args:
        examples: of one split.
        indices: `[n]`, of the examples to draw.
        predictions: for those n.
        reference: what fills masked-out pixels: `mean` or `blur`.
    """
    return {
        f"example_{row + 1}": _draw_panel(examples, index, predictions, row, reference)
        for row, index in enumerate(indices.tolist())
    }


def _draw_panel(examples: Examples, index: int, predictions: Predictions, row: int, reference: str) -> np.ndarray:
    """Draw six pictures of an example in two rows, headed by its name, its labels and their probabilities.

    Args:
        examples: of one split.
        index: of the example.
        predictions: of some examples.
        row: of the example in the predictions.
        reference: what fills masked-out pixels.
    """
    assert predictions.saliency is not None  # for the type checker: without masks there are no panels
    assert predictions.masks is not None
    saliency, mask = predictions.saliency[row], predictions.masks[row]
    image = examples.batch([index])[0][0]
    size = len(image)
    fill = _reference_image(image, examples.mean, reference)
    is_on = _enlarge(mask, size)[..., None]
    pictures = [
        image,
        _draw_boxes(image, examples.boxes[index]),
        _enlarge((saliency * 255).round().astype(np.uint8), size),
        _enlarge(mask.astype(np.uint8) * 255, size),
        np.where(is_on, image, fill),
        np.where(is_on, fill, image),
    ]
    factor = -(-MIN_SIDE // size)
    width = factor * size
    cells = [add_header(magnify(picture, factor), title) for title, picture in zip(TITLES, pictures, strict=True)]
    rows = [np.concatenate(cells[first : first + 3], axis=1) for first in (0, 3)]
    return np.concatenate([text_bar(3 * width, _write_caption(examples, index, predictions, row)), *rows])


def _reference_image(image: np.ndarray, mean: float, reference: str) -> np.ndarray:
    """Return what fills masked-out pixels of an image, uint8 `[S, S, C]`."""
    if reference == "mean":
        return np.full_like(image, round(255 * mean))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return blur(pixels)[0].permute(1, 2, 0).round().byte().numpy()


def _write_caption(examples: Examples, index: int, predictions: Predictions, row: int) -> str:
    """Write the example's name and its classes, each with its probabilities on full, keep and drop image."""
    views = [view[row] for view in (predictions.full, predictions.keep, predictions.drop) if view is not None]
    present = np.flatnonzero(examples.labels[index])
    labels = [f"{examples.classes[k]} {' / '.join(f'{scores[k]:.2f}' for scores in views)}" for k in present]
    return f"{examples.names[index]}   {', '.join(labels) or 'no finding'}   (full / keep / drop)"


def _draw_boxes(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(to_rgb(image))
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), outline=BOX_COLOUR)
    return np.asarray(picture)


def _enlarge(cells: np.ndarray, size: int) -> np.ndarray:
    """Enlarge `[h, w]` to `[size, size]`: every pixel has its cell's value."""
    indices = np.arange(size) * len(cells) // size
    return cells[indices][:, indices]
