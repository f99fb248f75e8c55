"""The predictions of a model on a split, without training noise: what is scored, and what panels show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.images.augment import to_device
from trainables.mask_st import sampling
from trainables.mask_st.config import Config
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import Classifier, name_networks
from trainables.mask_st.scoring import Predictions
from trainables.mask_st.split import Examples
from trainables.mask_st.views import three_views
from trainables.processes import Processes

BATCH_SIZE = 128
NOISE_SEED = 20171121  # of the masks that mask_kind=random is scored with, in every epoch and every trial


@dataclass(frozen=True)
class Judge:
    """Classifier and masks as they are deployed.

    Attributes:
        processes: that share the examples; all of them must call `predict`.
    """

    config: Config
    classifier: Classifier
    source: MaskSource
    device: torch.device
    processes: Processes

    def predict(self, examples: Examples, indices: np.ndarray | None = None) -> Predictions:
        """Predict examples, sharded over the processes; the networks are left in evaluation mode.

        Args:
            examples: of one split.
            indices: int64 `[n]`, of the examples to predict; None: all of them.
        """
        for network in name_networks(self.classifier, self.source.generator).values():
            network.eval()
        rows = torch.arange(len(examples)) if indices is None else torch.from_numpy(indices)
        noise = self._draw_noise(len(examples))
        parts = [
            self._predict_batch(examples, batch_rows, noise)
            for batch_rows in self.processes.rows(rows).split(BATCH_SIZE)
        ]
        columns = [self.processes.gather_rows(torch.cat(column), len(rows)) for column in zip(*parts, strict=True)]
        return Predictions(*(column.cpu().numpy() for column in columns))

    @torch.no_grad()
    def _predict_batch(self, examples: Examples, rows: Tensor, noise: Tensor | None) -> tuple[Tensor, ...]:
        """Compute the fields of `Predictions` for some examples; only the first where there are no masks.

        Args:
            examples: of one split.
            rows: int64 `[b]`, of the examples.
            noise: of the random masks of all examples, `[N, 1, h, w]`; None for all other kinds.
        """
        images, _ = to_device(examples, rows, self.device)
        if self.config.mask_kind == "none":
            return (self.classifier(images).sigmoid(),)
        batch_noise = None if noise is None else noise[rows].to(self.device)
        saliency, mask = self.source.deploy(self.source.logits(images), batch_noise)
        scores = self.classifier(three_views(images, mask, self.config.reference)).sigmoid().chunk(3)
        return (*scores, saliency[:, 0], mask[:, 0] > 0)

    def _draw_noise(self, count: int) -> Tensor | None:
        """Draw what makes the masks of mask_kind=random when they are scored, always the same; None for other kinds."""
        if self.config.mask_kind != "random":
            return None
        generator = torch.Generator().manual_seed(NOISE_SEED)
        return sampling.draw_noise("logistic", (count, 1, self.source.side, self.source.side), generator)
