"""The panel of a training: a few images, their masks, and what the classifier then sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.images.augment import to_device
from trainables.images.sheets import add_header, magnify, stack, text_bar
from trainables.noise_mask.judging import Judge, class_probabilities
from trainables.noise_mask.split import ClassImages

SIDE = 192  # pixels of an image, at least
COLUMNS = 3  # image, mask, and their product
_IMAGES = 4


def draw_panels(split: ClassImages, judge: Judge) -> dict[str, np.ndarray]:
    """Draw a few images of a split, evenly chosen, with the masks and predictions that a judge gives them."""
    rows = torch.linspace(0, len(split) - 1, _IMAGES).round().long()
    images, labels = to_device(split, rows, judge.device)
    masks = judge.draw_masks(images) if judge.config.has_masks else None
    predictions = class_probabilities(judge.maskfree_network.eval(), images).cpu().numpy()
    panel = draw_panel(images, masks, labels.cpu().numpy(), predictions, split.classes, split.mean, split.std)
    return {"masks": panel}


def draw_panel(
    images: Tensor,
    masks: Tensor | None,
    labels: Sequence[int] | np.ndarray,
    predictions: np.ndarray,
    classes: Sequence[str],
    mean: float,
    std: float,
) -> np.ndarray:
    """Draw a row for each image, under its label and prediction, uint8 `[H, W, 3]`.

    Args:
        images: float `[n, C, S, S]`, normalised, C being 1 or 3; n ≥ 1.
        masks: `[n, 1, S, S]`, by which images are multiplied; None shows images alone.
        labels: int `[n]`.
        predictions: probabilities `[n, K]`.
        classes: the K names.
        mean, std: of the normalisation, black being 0 and white 1.
    """
    images = images.detach().cpu().float()
    masks = None if masks is None else masks.detach().cpu().float()
    factor = -(-SIDE // images.shape[-1])
    grey = _GreyScale(mean, std, 1.0 if masks is None or masks.max() <= 1 else 2.0)
    rows: list[np.ndarray] = []
    for index, image in enumerate(images):
        cells = [add_header(magnify(grey.image(image), factor), "image")]
        if masks is not None:
            mask = masks[index]
            cells += [add_header(magnify(grey.mask(mask), factor), grey.mask_title(mask))]
            cells += [add_header(magnify(grey.image(image * mask), factor), "image times mask")]
        caption = _caption(int(labels[index]), predictions[index], classes)
        rows += [text_bar(COLUMNS * factor * images.shape[-1], caption), np.concatenate(cells, axis=1)]
    return stack(rows)


class _GreyScale(NamedTuple):
    """Maps values to grey: of images black is 0 and white 1, of masks white is 1, or 2 where one of them is above 1."""

    mean: float
    std: float
    highest: float

    def image(self, values: Tensor) -> np.ndarray:
        """Undo the normalisation: uint8 `[S, S, C]`; values beyond black and white are clipped."""
        return _to_bytes(values * self.std + self.mean)

    def mask(self, mask: Tensor) -> np.ndarray:
        """Scale a mask: uint8 `[S, S, 1]`."""
        return _to_bytes(mask / self.highest)

    def mask_title(self, mask: Tensor) -> str:
        """Write the mask's range and the scale."""
        return f"mask {mask.min():.2f} to {mask.max():.2f}, white is {self.highest:g}"


def _to_bytes(values: Tensor) -> np.ndarray:
    """Convert `[C, S, S]` from 0 to 1 to uint8 `[S, S, C]`."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _caption(label: int, probabilities: np.ndarray, classes: Sequence[str]) -> str:
    prediction = int(np.argmax(probabilities))
    verdict = "right" if prediction == label else "wrong"
    return f"{classes[label]}   predicted {classes[prediction]} with {probabilities[prediction]:.2f}, {verdict}"
