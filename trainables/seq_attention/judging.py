"""Puts all questions to an answerer, lets it count, and scores it: a network, or anything that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trainables.processes import Processes
from trainables.seq_attention import scoring
from trainables.seq_attention.config import Data
from trainables.seq_attention.pairs import Answers, Ask, Pairs, answered, enumerated
from trainables.seq_attention.rollout import Path, roll_out
from trainables.seq_attention.scenes import Scenes

BATCH = 64
FEWEST_VISITS = 8

Asker = Callable[[Scenes], Ask]
"""From a split to what answers questions about its images."""


@dataclass(frozen=True)
class Judge:
    """How a split is judged.

    Attributes:
        data: the radius of a hit, the height of rows, how many images are counted.
        order: in which objects are marked.
        limit: of visits in a roll-out.
        processes: that share the questions.
    """

    data: Data
    order: str
    limit: int
    processes: Processes = field(default_factory=Processes)

    def figures(self, asker: Asker, judged: Scenes, thresholds: scoring.Thresholds) -> dict[str, float]:
        """What `scoring.figures` says of some images, with thresholds that other images have chosen."""
        pairs, answers = self._answered(asker, judged)
        counted = some(judged, self.data.rollout_images)
        paths = self.paths(asker, counted, thresholds.rollout)
        scale = scoring.Scale(self.data.radius, judged.spacing(), thresholds, self.limit)
        return scoring.figures(pairs, answers, judged.sizes, paths, counted.points, scale)

    def thresholds(self, asker: Asker, calibration: Scenes) -> scoring.Thresholds:
        """What calibration images choose."""
        pairs, answers = self._answered(asker, calibration)
        counted = some(calibration, self.data.rollout_images)
        paths = self.paths(asker, counted, np.inf)
        return scoring.Thresholds(
            scoring.done_threshold(pairs, answers),
            scoring.rollout_threshold(paths, counted.points, self.data.radius),
            scoring.done_scaling(pairs, answers),
        )

    def paths(self, asker: Asker, scenes: Scenes, until: float) -> list[Path]:
        """Roll-outs of all images, each process doing its share."""
        mine = list(self.processes.places(len(scenes)))
        return self.processes.gather(roll_out(asker(scenes), mine, self.limit, BATCH, until), len(scenes))

    def _answered(self, asker: Asker, scenes: Scenes) -> tuple[Pairs, Answers]:
        """The enumerated pairs of all images with the answers, each process doing its share."""
        pairs = enumerated(scenes, self.order, self.data.row_height)
        mine = answered(asker(scenes), pairs, list(self.processes.places(len(pairs))), BATCH)
        rows = self.processes.gather(list(zip(*mine, strict=True)), len(pairs))
        return pairs, Answers(*(np.array(column) for column in zip(*rows, strict=True)))


def limit(counts: np.ndarray) -> int:
    """Visits after which a roll-out ends without a done signal: half as many again as any training image has objects.

    Args:
        counts: `[N]`, objects of the training images.
    """
    return max(FEWEST_VISITS, math.ceil(1.5 * int(counts.max())))


def some(scenes: Scenes, most: int) -> Scenes:
    """At most so many of the images, evenly spaced; all for 0."""
    if most == 0 or len(scenes) <= most:
        return scenes
    return scenes.select(np.linspace(0, len(scenes) - 1, most).astype(int))
