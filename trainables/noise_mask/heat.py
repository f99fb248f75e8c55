"""A training step under noise masks: where the masks come from, and what each objective makes of the errors under them.

The classifier learns from the cross-entropy alone, and the policy from what the masks did to it, but in `literal`:
there one product of both is differentiated, as in the public code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn import functional as F

from trainables.contract import Step
from trainables.noise_mask import losses
from trainables.noise_mask.batches import Batch
from trainables.noise_mask.config import Config
from trainables.noise_mask.masks import to_mask
from trainables.noise_mask.policy import Policy, draw
from trainables.processes import Processes
from trainables.training.generators import drawing
from trainables.training.reward_baseline import Baseline, others_mean

_ENDS = 0.05  # a cell's value nearer to 0 or 1 is counted as at its end
_MASKS = 2  # stream of random numbers, beside those of `batches`
_SIGNS = {"cooperative": 1.0, "adversarial": -1.0}


class Drawn(NamedTuple):
    """Masks of `b` images, `K` of each.

    Attributes:
        masks: float32 `[K·b, 1, S, S]`; all first masks come first.
        cells: the drawn values `[K, b, g²]`, 0 to 1.
        beta: their distribution over `[b, g²]`.
    """

    masks: Tensor
    cells: Tensor
    beta: Beta


class Heat:
    """Trains under masks.

    Args:
        config: of the training.
        classifier: of masked images.
        policy: None where masks come from no network.
        seed: of the masks.
        processes: that hold a batch together.
    """

    def __init__(
        self, config: Config, classifier: nn.Module, policy: Policy | None, seed: int, processes: Processes
    ) -> None:
        self.config, self.classifier, self.policy = config, classifier, policy
        self.seed, self.processes = seed, processes
        self.sign = _SIGNS[config.sign]
        self.baseline = Baseline(config.baseline_decay, processes)

    def __call__(self, batch: Batch) -> Step:
        """The losses on a batch under masks drawn for its step."""
        drawn = self.drawn(batch.images, batch.size, (self.seed, batch.step), self.config.samples)
        masks = losses.pathwise(drawn.masks, self.sign) if self.config.objective == "rsample" else drawn.masks
        repeats = len(drawn.cells)
        logits = self.classifier(batch.images.repeat(repeats, 1, 1, 1) * masks)
        errors = F.cross_entropy(logits.float(), batch.labels.repeat(repeats), reduction="none")
        loss, parts = self._loss(errors.view(repeats, -1), drawn)
        error = self.processes.batch_mean(errors.detach())
        return Step(loss, {"raw/cross_entropy": error, "raw/reward": -self.sign * error, **parts, **self._facts(drawn)})

    def drawn(self, images: Tensor, size: int, numbers: tuple[int, ...], samples: int) -> Drawn:
        """`samples` masks for each of this process's images of a batch of `size` in all; a function of `numbers`, too.

        A policy's masks hang on the number of processes, too, as each draws its own.
        """
        reparametrised = self.config.objective == "rsample"
        if self.policy is not None:
            beta = self.policy(images)
            with drawing(images.device, *numbers, _MASKS, self.processes.rank):
                cells = draw(beta, samples, reparametrised)
        else:
            fixed = torch.full((size, self.config.grid**2), self.config.random_beta, device=images.device)
            with drawing(images.device, *numbers, _MASKS):
                cells = draw(Beta(fixed, fixed), samples, False)
            cells = cells[:, self.processes.rank :: self.processes.world]
            beta = Beta(self.processes.rows(fixed), self.processes.rows(fixed))
        field = cells.flatten(0, 1).view(-1, 1, self.config.grid, self.config.grid)
        return Drawn(to_mask(field, self.config), cells, beta)

    def state(self) -> dict[str, Any]:
        """The running reward."""
        return self.baseline.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.baseline.load_state(state)

    def _loss(self, errors: Tensor, drawn: Drawn) -> tuple[Tensor, dict[str, Tensor]]:
        """Of errors `[K, b]`: the whole loss, and the policy's part of it."""
        entropy, mean = map(self.processes.batch_mean, (drawn.beta.entropy(), errors))
        objective = self.config.objective
        if objective == "literal":
            loss = losses.literal(drawn.beta.log_prob(drawn.cells[0]), errors[0], self.processes)
            return loss, {"raw/policy": loss.detach()}
        if objective == "random":
            return mean, {"raw/policy": torch.zeros_like(mean)}
        if objective == "rsample":
            return mean - self.config.entropy * entropy, {"raw/policy": self.sign * mean.detach()}
        score = losses.policy_gradient(
            drawn.beta.log_prob(drawn.cells), self._advantages(errors.detach()), self.processes
        )
        return mean + score - self.config.entropy * entropy, {"raw/policy": score.detach()}

    def _advantages(self, errors: Tensor) -> Tensor:
        """`[K, b]`: by how much each mask's error is above what was expected, in deviations; the sign applied."""
        if len(errors) > 1:
            found = losses.among_samples(errors, self.processes)
        elif self.config.baseline == "batch":
            found = losses.scaled(errors[0] - others_mean(errors[0], self.processes), self.processes)[None]
        else:
            found = self.baseline.advantages(errors[0])[None]
        return self.sign * found

    def _facts(self, drawn: Drawn) -> dict[str, Tensor]:
        """What is reported of masks, over all processes' images."""
        masks, cells = drawn.masks.detach(), drawn.cells.detach()
        each = {
            "health/policy_entropy": drawn.beta.entropy().detach(),
            "health/cells_at_ends": ((cells < _ENDS) | (cells > 1 - _ENDS)).float(),
            "health/mask_mean": masks,
            "health/mask_std": masks.std(dim=(1, 2, 3)),
        }
        means = {name: self.processes.batch_mean(values) for name, values in each.items()}
        return {"train/masked": torch.ones((), device=masks.device), **means}


def without_masks(device: torch.device) -> dict[str, Tensor]:
    """What is reported of masks where there are none: the same keys in all epochs."""
    none, one = torch.zeros((), device=device), torch.ones((), device=device)
    absent = (
        "raw/reward",
        "raw/policy",
        "train/masked",
        "health/policy_entropy",
        "health/cells_at_ends",
        "health/mask_std",
    )
    return {**dict.fromkeys(absent, none), "health/mask_mean": one}


class Progress(nn.Module):
    """What the weights have come through; saved with them.

    Attributes:
        heated: whether the last epoch was one under masks, so that batch norms know masked images alone.
        expected: expected values `[n, g²]` of the policy's cells on the training images that are looked at, before
            training; empty without a policy.
    """

    heated: Tensor
    expected: Tensor

    def __init__(self, images: int, cells: int) -> None:
        super().__init__()
        self.register_buffer("heated", torch.tensor(False))
        self.register_buffer("expected", torch.zeros(images, cells))
