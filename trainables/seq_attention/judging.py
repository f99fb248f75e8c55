"""From a network, or any other locator, to its predictions of a split: single pairs, and roll-outs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trainables.processes import Processes
from trainables.seq_attention.config import Data
from trainables.seq_attention.pairs import Locator, PairPredictions, Pairs, enumerate_pairs, predict_pairs
from trainables.seq_attention.rollout import Rollout, roll_out
from trainables.seq_attention.scoring import Predictions
from trainables.seq_attention.split import Scenes, select_evenly

BATCH_SIZE = 64
MIN_VISITS = 8

LocatorFactory = Callable[[Scenes], Locator]
"""From a split to a locator of objects in its images."""


@dataclass(frozen=True)
class Judge:
    """Predicts splits, each process doing its share.

    Attributes:
        data: the height of rows, and how many images have a roll-out.
        order: in which objects are marked.
        limit: of visits in a roll-out.
        processes: that share the work.
    """

    data: Data
    order: str
    limit: int
    processes: Processes = field(default_factory=Processes)

    def predict(self, locators: LocatorFactory, scenes: Scenes, threshold: float = np.inf) -> Predictions:
        """Predict all pairs of a split, and roll out `data.rollout_images` of its images.

        Args:
            locators: gives the locator of the split's images.
            scenes: the split.
            threshold: done signal that ends a roll-out; infinite to run all of them to the limit.
        """
        pairs = enumerate_pairs(scenes, self.order, self.data.row_height)
        pair_predictions = self._predict_pairs(locators(scenes), pairs)
        sample = select_evenly(scenes, self.data.rollout_images)
        rollouts = self.roll_out(locators, sample, threshold)
        return Predictions(pairs, pair_predictions, scenes.sizes, rollouts, sample.points)

    def roll_out(self, locators: LocatorFactory, scenes: Scenes, threshold: float) -> list[Rollout]:
        """Roll out all images of a split."""
        indices = list(self.processes.indices(len(scenes)))
        rollouts = roll_out(locators(scenes), indices, self.limit, BATCH_SIZE, threshold)
        return self.processes.gather(rollouts, len(scenes))

    def _predict_pairs(self, locate: Locator, pairs: Pairs) -> PairPredictions:
        share = predict_pairs(locate, pairs, list(self.processes.indices(len(pairs))), BATCH_SIZE)
        rows = self.processes.gather(list(zip(*share, strict=True)), len(pairs))
        return PairPredictions(*(np.array(column) for column in zip(*rows, strict=True)))


def rollout_limit(counts: np.ndarray) -> int:
    """Return the visits after which a roll-out ends without a done signal: 1.5 times the most objects of an image.

    Args:
        counts: `[N]`, objects of the training images.
    """
    return max(MIN_VISITS, math.ceil(1.5 * int(counts.max())))
