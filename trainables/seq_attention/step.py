"""One training step: forward, and the losses of location and done."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainables.contract import Step
from trainables.seq_attention import heatmap, losses, sampling
from trainables.seq_attention.batches import Batch
from trainables.seq_attention.config import Config
from trainables.seq_attention.model import Network, Output


@dataclass(frozen=True)
class TrainingStep:
    """Computes the losses of a batch; rows that are done teach no location."""

    net: Network
    config: Config

    def __call__(self, batch: Batch, update: int) -> Step:
        """Run the network on a batch and return its loss with the terms of it."""
        output = self.net(batch.images, batch.k, batch.extent)
        location = losses.masked_mean(self.location_losses(output, batch), batch.teaches_location, batch.location_rows)
        done = losses.masked_mean(
            losses.done_loss(output.done, batch.done, sampling.done_weight(self.config)),
            batch.teaches_done,
            batch.done_rows,
        )
        components = {"raw/location": location.detach(), "raw/done": done.detach()}
        return Step(location + self.config.done_weight * done, components)

    def location_losses(self, output: Output, batch: Batch) -> Tensor:
        """Compute the location's loss of each row `[b]`; any finite number where all objects are marked."""
        target = batch.next_objects
        if self.config.target == "nearest_unmarked":
            target = losses.nearest_candidate(output.location, batch.objects, batch.remaining)
        if output.logits is not None and output.inside is not None and self.config.spatial_loss == "heatmap_ce":
            return heatmap.cross_entropy(output.logits, output.inside, target)
        return losses.location_loss(output.location, target, self.config.spatial_loss, self.config.tau)
