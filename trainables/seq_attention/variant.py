"""The variant seq_attention: data, network and losses put together behind the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.sheets import grid
from trainables.measuring.matching import in_turn
from trainables.processes import Processes
from trainables.seq_attention import health, heatmap, losses, panels, sampling, scoring
from trainables.seq_attention.asking import Asker
from trainables.seq_attention.batches import Batch, Batches
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import counts, load
from trainables.seq_attention.judging import Judge, limit, some
from trainables.seq_attention.model import Network, Prediction
from trainables.seq_attention.orders import arranged
from trainables.seq_attention.rollout import Path
from trainables.seq_attention.scenes import Scenes
from trainables.training.weights import parameter_groups


class SeqAttention(Variant):
    """A network that is shown marked objects and says where the next one is, and whether there is one."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.data = data
        self.device, self.processes = context.device, context.processes
        self.scenes: dict[Split, Scenes] = {split: load(config, data, split) for split in context.splits}
        self.net = Network(config).to(self.device)
        self.judge = Judge(data, config.order, limit(counts(data, "train")), self.processes)
        self._thresholds: scoring.Thresholds | None = None  # of the weights as they are, once they are known
        if "train" in self.scenes:
            self._batches = Batches(
                config, self.scenes["train"], data.row_height, self.device, context.seed, self.processes
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """The parts of the network."""
        return self.net.parts()

    def watched(self) -> Mapping[str, nn.Module]:
        """All of them: a part without gradient was what the published network's memory and glimpses had become."""
        return self.net.parts()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights and, without decay, biases and norms."""
        return parameter_groups({"network": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        return self._batches.of_epoch(epoch)

    def train_mode(self, epoch: int) -> None:
        """Nothing follows a schedule but the learning rate."""
        self._thresholds = None
        self.net.train()

    def step(self, batch: Batch, update: int) -> Step:
        """Location and done; what is done teaches no location."""
        found = self.net(batch.images, batch.marked, batch.extent)
        location = losses.mean_over(self._location(found, batch), batch.teaches_location, batch.locations)
        done = losses.mean_over(
            losses.done(found.done, batch.done, sampling.done_weight(self.config)), batch.teaches_done, batch.signals
        )
        parts = {"raw/location": location.detach(), "raw/done": done.detach()}
        return Step(location + self.config.done_weight * done, parts)

    def evaluate(self, split: Split) -> dict[str, float]:
        """What `scoring.figures` says of a split; of validation, only images that choose no threshold are scored."""
        for needed in (split, "val"):
            if needed not in self.scenes:
                raise ValueError(f"to evaluate {split}, build the variant with the {needed} split too")
        val, judged = self.scenes["val"], self.scenes[split]
        self.processes.average_buffers([self.net])
        self._thresholds = self.judge.thresholds(self._asker, val.select(val.calibration))
        figures = self.judge.figures(self._asker, judged.select(~judged.calibration), self._thresholds)
        return {**figures, "health/done_missed": 1 - figures["done_stops"]}

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """Of a few scored validation images: half of the objects marked, all of them marked, and a roll-out."""
        if "val" not in self.scenes:
            return {}
        val = self.scenes["val"]
        judge = replace(self.judge, processes=Processes())  # pictures are drawn by one process
        thresholds = self._thresholds or judge.thresholds(self._asker, val.select(val.calibration))
        shown = some(val.select(~val.calibration), panels.COUNT)
        paths = judge.paths(self._asker, shown, thresholds.rollout)
        return {
            f"image_{place + 1}": self._sheet(shown, place, paths[place], thresholds) for place in range(len(shown))
        }

    def describe(self) -> dict[str, Any]:
        """Splits, the radius of a hit, how far a roll-out may go, and the network's parameters."""
        return {
            "splits": {split: scenes.describe() for split, scenes in self.scenes.items()},
            "hit_radius_px": self.data.radius,
            "rollout_limit": self.judge.limit,
            "parameters": {name: sum(map(Tensor.numel, part.parameters())) for name, part in self.net.parts().items()},
        }

    # -- training ------------------------------------------------------------------------------------------------

    def _location(self, found: Prediction, batch: Batch) -> Tensor:
        """The location's loss of each row `[b]`; of a row with nothing left, any finite number."""
        wanted = batch.following
        if self.config.target == "nearest_unmarked":
            wanted = losses.nearest(found.location, batch.objects, batch.left)
        if found.logits is not None and found.inside is not None and self.config.spatial_loss == "heatmap_ce":
            return heatmap.cross_entropy(found.logits, found.inside, wanted)
        return losses.spatial(found.location, wanted, self.config.spatial_loss, self.config.tau)

    # -- answers and pictures ------------------------------------------------------------------------------------

    def _asker(self, scenes: Scenes) -> Asker:
        return Asker(self.net, self.config, scenes.batch, scenes.sizes, self.device)

    def _sheet(self, scenes: Scenes, place: int, path: Path, thresholds: scoring.Thresholds) -> np.ndarray:
        image, size, points = scenes.batch([place])[0], scenes.sizes[place], scenes.points[place]
        ordered = points[arranged(points, self.config.order, self.data.row_height)]
        asked = [len(ordered) // 2, len(ordered)]
        answers = self._asker(scenes)([place, place], [ordered[:k] for k in asked])
        pictures = [
            panels.question(
                image, size, ordered[:k], self._right_first(ordered[k:], point), point, done, thresholds.done
            )
            for k, point, done in zip(asked, *answers, strict=True)
        ]
        found = in_turn(path.points, points, self.data.radius)
        pictures.append(panels.path(image, size, points, path.points, found))
        return grid(pictures, f"{scenes.names[place]}   blue: marked   green: next   red: predicted", columns=3)

    def _right_first(self, left: np.ndarray, point: np.ndarray) -> np.ndarray:
        """The unmarked objects with the one first that the prediction should be at."""
        if self.config.target == "ordered":
            return left
        found: np.ndarray = left[np.argsort(np.hypot(*(left - point).T), kind="stable")]
        return found


build = SeqAttention
