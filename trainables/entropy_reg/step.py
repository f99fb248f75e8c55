"""A training step: the likelihood of the fixations of a batch, and at times the entropy on images without content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.contract import Step
from trainables.entropy_reg.batches import Batch
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.contentless import EntropyTerm
from trainables.entropy_reg.losses import negative_log_likelihood, weighted_mean
from trainables.entropy_reg.model import DeepGaze


class TrainingStep:
    """Loss of a batch.

    Args:
        config: of the training.
        net: that is trained.
        entropy_term: the regulariser; None: there is none.
        device: of the network.
    """

    def __init__(self, config: Config, net: DeepGaze, entropy_term: EntropyTerm | None, device: torch.device) -> None:
        self.config, self.net, self.entropy_term, self.device = config, net, entropy_term, device
        self._last_entropy = torch.zeros((), device=device)  # reported at steps that compute none

    def __call__(self, batch: Batch, update: int) -> Step:
        """Compute the negative log-likelihood, less the entropy at the steps at which it is due."""
        log_density = self.net(batch.features, batch.shape, batch.centre_bias, batch.history)
        losses = negative_log_likelihood(log_density, batch.cells, batch.shares)
        loss = weighted_mean(losses, batch.weights, batch.images)
        components = {"raw/nll_bits": loss.detach()}
        if self.entropy_term is not None:
            due = self.entropy_term.is_due(batch.step)
            if due:
                loss = self._regularise(loss, self.entropy_term, batch.step)
            share = torch.full((), float(due), device=self.device)
            components |= {"raw/entropy_bits": self._last_entropy, "health/regulariser_share": share}
        return Step(loss, components)

    def state(self) -> dict[str, Any]:
        """Return the entropy that was computed last."""
        return {"last_entropy": self._last_entropy}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._last_entropy = state["last_entropy"].to(self.device)

    def _regularise(self, loss: Tensor, term: EntropyTerm, step: int) -> Tensor:
        """Subtract the weighted entropy; without a weight it is computed for the report alone.

        A term that is due at every K-th step only has K times its weight there: `lambda_eff` is per step.
        """
        with torch.set_grad_enabled(self.config.has_entropy_weight):
            entropy = term.mean_entropy(self.net, step)
        self._last_entropy = entropy.detach()
        weight = self.config.lambda_eff * self.config.compute_every
        return loss - weight * entropy if self.config.has_entropy_weight else loss
