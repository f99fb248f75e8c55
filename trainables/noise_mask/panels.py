"""A sheet of pictures: a few images, the masks that they get, and what the classifier then sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.images.sheets import bar, headed, magnified, stacked

SIDE = 192  # pixels of a picture, at least
COLUMNS = 3  # image, mask, and their product


def sheet(
    images: Tensor,
    masks: Tensor | None,
    labels: Sequence[int] | np.ndarray,
    predictions: np.ndarray,
    classes: Sequence[str],
    mean: float,
    std: float,
) -> np.ndarray:
    """Rows of pictures, each under its label and prediction, uint8 `[H, W, 3]`.

    Args:
        images: float `[n, C, S, S]`, normalised, C being 1 or 3; n ≥ 1.
        masks: `[n, 1, S, S]`, what each image is multiplied by; None shows images alone.
        labels: int `[n]`.
        predictions: probabilities `[n, K]`.
        classes: the K names.
        mean, std: of the normalisation, black being 0 and white 1.
    """
    images = images.detach().cpu().float()
    masks = None if masks is None else masks.detach().cpu().float()
    factor = -(-SIDE // images.shape[-1])
    shown = _Scale(mean, std, 1.0 if masks is None or masks.max() <= 1 else 2.0)
    rows: list[np.ndarray] = []
    for index, image in enumerate(images):
        cells = [headed(magnified(shown.image(image), factor), "image")]
        if masks is not None:
            mask = masks[index]
            cells += [headed(magnified(shown.mask(mask), factor), shown.mask_title(mask))]
            cells += [headed(magnified(shown.image(image * mask), factor), "image times mask")]
        caption = _caption(int(labels[index]), predictions[index], classes)
        rows += [bar(COLUMNS * factor * images.shape[-1], caption), np.concatenate(cells, axis=1)]
    return stacked(rows)


class _Scale:
    """From values to grey: of images black is 0 and white 1, of masks white is 1, or 2 where one of them is above 1."""

    def __init__(self, mean: float, std: float, highest: float) -> None:
        self.mean, self.std, self.highest = mean, std, highest

    def image(self, normalised: Tensor) -> np.ndarray:
        """uint8 `[S, S, C]`; what is beyond black and white is cut off."""
        return _bytes(normalised * self.std + self.mean)

    def mask(self, mask: Tensor) -> np.ndarray:
        """uint8 `[S, S, 1]`."""
        return _bytes(mask / self.highest)

    def mask_title(self, mask: Tensor) -> str:
        return f"mask {mask.min():.2f} to {mask.max():.2f}, white is {self.highest:g}"


def _bytes(values: Tensor) -> np.ndarray:
    """uint8 `[S, S, C]` of `[C, S, S]` from 0 to 1."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _caption(label: int, probabilities: np.ndarray, classes: Sequence[str]) -> str:
    said = int(np.argmax(probabilities))
    verdict = "right" if said == label else "wrong"
    return f"{classes[label]}   predicted {classes[said]} with {probabilities[said]:.2f}, {verdict}"
