"""A training step, under noise masks or without: what each objective makes of the classifier's errors.

The classifier learns from the cross-entropy alone, and the policy from what the masks did to it. Only in `literal` one
product of both is differentiated, as in the public code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.contract import Step
from trainables.noise_mask import losses
from trainables.noise_mask.batches import Batch
from trainables.noise_mask.config import Config
from trainables.noise_mask.sampling import MaskSample, MaskSampler
from trainables.processes import Processes
from trainables.training.reward_baseline import RewardBaseline, leave_one_out_mean

_ENDS = 0.05  # a cell's value nearer to 0 or 1 is counted as at its end
_SIGNS = {"cooperative": 1.0, "adversarial": -1.0}


class TrainingStep:
    """Computes the losses of a batch.

    Args:
        config: of the training.
        classifier: of the images.
        sampler: of their masks.
        seed: of the masks.
        processes: that hold a batch together.

    Attributes:
        under_masks: whether images are multiplied by masks; set before every epoch.
    """

    def __init__(
        self, config: Config, classifier: nn.Module, sampler: MaskSampler, seed: int, processes: Processes
    ) -> None:
        self.config, self.classifier, self.sampler = config, classifier, sampler
        self.seed, self.processes = seed, processes
        self.under_masks = False
        self._sign = _SIGNS[config.sign]
        self._baseline = RewardBaseline(config.baseline_decay, processes)

    def __call__(self, batch: Batch, update: int) -> Step:
        """Compute the losses of a batch; its step and the seed determine the masks."""
        return self._step_under_masks(batch) if self.under_masks else self._step_without_masks(batch)

    def state(self) -> dict[str, Any]:
        """Return the running reward."""
        return self._baseline.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._baseline.load_state(state)

    def _step_without_masks(self, batch: Batch) -> Step:
        loss = self.processes.batch_mean(self._errors(batch.images, batch.labels))
        return Step(loss, {"raw/cross_entropy": loss.detach(), **_metrics_without_masks(loss.device)})

    def _step_under_masks(self, batch: Batch) -> Step:
        sample = self.sampler.sample(batch.images, batch.size, (self.seed, batch.step), self.config.samples)
        masks = sample.masks
        if self.config.objective == "rsample":  # the sign is the policy's alone: the classifier lowers its error always
            masks = losses.scale_gradient(masks, self._sign)
        count = len(sample.cells)
        # Images and labels are repeated as a whole, because all first masks come first.
        errors = self._errors(batch.images.repeat(count, 1, 1, 1) * masks, batch.labels.repeat(count))
        loss, components = self._loss(errors.view(count, -1), sample)
        error = self.processes.batch_mean(errors.detach())
        reward = -self._sign * error
        metrics = self._mask_metrics(sample)
        return Step(loss, {"raw/cross_entropy": error, "raw/reward": reward, **components, **metrics})

    def _errors(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute the cross-entropy of each image in nats; in float32, whatever autocast makes of the logits."""
        return F.cross_entropy(self.classifier(images).float(), labels, reduction="none")

    def _loss(self, errors: Tensor, sample: MaskSample) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the whole loss of errors `[K, b]`, and the policy's part of it."""
        objective = self.config.objective
        if objective == "literal":  # one mask of each image, and no entropy: as published
            loss = losses.literal_product(sample.beta.log_prob(sample.cells[0]), errors[0], self.processes)
            return loss, {"raw/policy": loss.detach()}
        mean = self.processes.batch_mean(errors)
        if objective == "random":
            return mean, {"raw/policy": torch.zeros_like(mean)}
        # Entropy keeps the distributions wide. It depends on the policy alone, so the classifier's gradient is plain.
        bonus = self.config.entropy * self.processes.batch_mean(sample.beta.entropy())
        if objective == "rsample":  # errors have a gradient to the policy themselves, through the masks
            return mean - bonus, {"raw/policy": self._sign * mean.detach()}
        # Cells were drawn without a gradient: `mean` teaches the classifier alone, and the score the policy alone,
        # because the errors that it is weighted with are numbers.
        log_probs = sample.beta.log_prob(sample.cells)
        score = losses.policy_gradient(log_probs, self._advantages(errors.detach()), self.processes)
        return mean + score - bonus, {"raw/policy": score.detach()}

    def _advantages(self, errors: Tensor) -> Tensor:
        """Return by how much each mask's error is above what was expected, in deviations; the sign applied: `[K, b]`.

        In deviations, so that the policy's step does not shrink with the errors as the classifier learns.
        """
        if len(errors) > 1:  # the image's other masks are the closest comparison: the same image, the same weights
            advantages = losses.sample_advantages(errors, self.processes)
        elif self.config.baseline == "batch":
            differences = errors[0] - leave_one_out_mean(errors[0], self.processes)
            advantages = losses.scale_advantages(differences, self.processes)[None]
        else:
            advantages = self._baseline.advantages(errors[0])[None]
        return self._sign * advantages

    def _mask_metrics(self, sample: MaskSample) -> dict[str, Tensor]:
        """Describe the masks, over all processes' images."""
        masks, cells = sample.masks.detach(), sample.cells.detach()
        values = {
            "health/policy_entropy": sample.beta.entropy().detach(),
            "health/cells_at_ends": ((cells < _ENDS) | (cells > 1 - _ENDS)).float(),
            "health/mask_mean": masks,
            "health/mask_std": masks.std(dim=(1, 2, 3)),
        }
        means = {name: self.processes.batch_mean(value) for name, value in values.items()}
        return {"train/masked": torch.ones((), device=masks.device), **means}


def _metrics_without_masks(device: torch.device) -> dict[str, Tensor]:
    """Describe masks where there are none, so that all epochs report the same keys; a mask of ones changes nothing."""
    names = (
        "raw/reward",
        "raw/policy",
        "train/masked",
        "health/policy_entropy",
        "health/cells_at_ends",
        "health/mask_std",
    )
    zero = torch.zeros((), device=device)
    return {**dict.fromkeys(names, zero), "health/mask_mean": torch.ones((), device=device)}
