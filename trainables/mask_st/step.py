"""One training step: the classifier on full, keep and drop images, the losses, and how they are weighed.

The three versions go through the classifier as one batch. The step is the same for all kinds of mask, so that they
can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.contract import Step
from trainables.mask_st import losses, policy
from trainables.mask_st.batches import Batch
from trainables.mask_st.config import Config
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import Classifier
from trainables.mask_st.sampling import Mask
from trainables.mask_st.views import three_views
from trainables.mask_st.weighting import GradNorm, Group
from trainables.processes import Processes
from trainables.training.reward_baseline import Baseline


class MaskStep:
    """Losses of a batch and the scalars to report.

    Args:
        pos_weight: of BCE, `[K]` or None.
    """

    def __init__(
        self,
        config: Config,
        classifier: Classifier,
        source: MaskSource,
        pos_weight: Tensor | None,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.config, self.classifier, self.source = config, classifier, source
        self.pos_weight, self.processes = pos_weight, processes
        self.baseline = Baseline(config.ppo_baseline_decay, processes)
        self.gradnorm = self._gradnorm() if config.weighting == "gradnorm" else None
        self._head_gradient = torch.zeros((), device=device)  # both are written in the backward pass
        self._signal = torch.zeros((), device=device)
        if source.generator is not None:
            source.generator.head.weight.register_hook(_noting(self._head_gradient))

    def __call__(self, batch: Batch, update: int, temperature: float) -> Step:
        """Three passes and their losses; on PPO's further updates of a batch, its policy and the mask's area alone."""
        self._head_gradient.zero_()
        self._signal.zero_()
        if self.config.mask_kind == "none":
            logits = self.classifier(batch.images, batch.depth)
            return self._weighed(batch, {"full": losses.full(logits, batch.labels, self.pos_weight)}, temperature)
        logits = self.source.logits(batch.images)
        watched = self._watched(logits)
        mask = self._mask(batch, watched, temperature)
        terms = self._look(batch, watched, mask) if update == 0 else {}
        if self.source.generator is not None:
            terms |= losses.area_terms(self.config, mask, logits, self.processes)
        if self.config.mask_kind == "ppo":
            terms["policy"] = self._policy_loss(batch, watched)
        return self._weighed(batch, terms, temperature)

    def state(self) -> dict[str, Any]:
        """Dynamic weights and PPO's baseline; temperature and random draws follow from the epoch."""
        gradnorm = None if self.gradnorm is None else self.gradnorm.state()
        return {"baseline": self.baseline.state(), "gradnorm": gradnorm}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.baseline.load_state(state["baseline"])
        if self.gradnorm is not None:
            self.gradnorm.load_state(state["gradnorm"])

    def _watched(self, logits: Tensor) -> Tensor:
        """The logits again, in a place of the graph that only the classifier's and the policy's gradients pass."""
        watched = logits.view_as(logits)
        if watched.requires_grad:
            watched.register_hook(_noting(self._signal))
        return watched

    def _mask(self, batch: Batch, logits: Tensor, temperature: float) -> Mask:
        if batch.rollout is not None:
            return Mask(batch.rollout.actions, logits.sigmoid())
        return self.source.draw(logits, batch.noise, temperature)

    def _look(self, batch: Batch, logits: Tensor, mask: Mask) -> dict[str, Tensor]:
        """The classifier on the three versions of each image, and what they cost, `[b]` each; PPO notes its rollout."""
        depth = batch.depth
        if depth is not None:  # stochastic depth would make full, keep and drop differ for no reason of the mask's
            depth = torch.cat([depth, torch.ones_like(depth).repeat(2, 1)])
        views = three_views(batch.images, mask.value, self.config.reference)
        full, keep, drop = self.classifier(views, depth).chunk(3)
        if self.config.mask_kind == "ppo":
            self._note_rollout(batch, logits, mask, losses.rewards(self.config, full, keep, drop, batch.labels))
        terms = losses.classifier_terms(self.config, full, keep, drop, batch.labels, self.processes)
        return {"full": losses.full(full, batch.labels, self.pos_weight), **terms}

    def _note_rollout(self, batch: Batch, logits: Tensor, mask: Mask, rewards: Tensor) -> None:
        """Keep a batch's actions, their probabilities and advantages for its further updates.

        The area terms are no part of the reward: they can be differentiated, and a reward would only add noise.
        """
        taken = policy.log_probs(logits, mask.value).detach()
        batch.rollout = policy.Rollout(mask.value, taken, self.baseline.advantages(rewards))

    def _policy_loss(self, batch: Batch, logits: Tensor) -> Tensor:
        """PPO's loss `[b]` on the batch's rollout."""
        if batch.rollout is None:
            raise ValueError("a further update of a batch without its first")
        surrogate = policy.clipped_loss(logits, batch.rollout, self.config.ppo_clip)
        return surrogate - self.config.ppo_entropy * policy.entropy(logits)

    def _weighed(self, batch: Batch, terms: Mapping[str, Tensor], temperature: float) -> Step:
        """The terms' weighted sum, and the scalars to report."""
        means = {name: self.processes.batch_mean(term) for name, term in terms.items()}
        weights = self._weights(means, batch.ramp)
        total = torch.stack([weights[name] * mean for name, mean in means.items()]).sum()
        components = {f"raw/{name}": mean.detach() for name, mean in means.items()}
        if self.gradnorm is not None:
            components |= {f"train/w_{name}": weight for name, weight in self.gradnorm.named().items()}
        if self.source.generator is not None:
            components["train/temperature"] = total.new_tensor(temperature)
            # Filled in by the backward pass, which comes before the loop reads them; of this process's rows alone.
            components |= {"health/mask_grad_norm": self._head_gradient, "health/mask_signal": self._signal}
        return Step(total, components)

    def _weights(self, means: Mapping[str, Tensor], ramp: float) -> dict[str, float | Tensor]:
        """Every term's factor. GradNorm takes the place of 1, alpha and beta."""
        config = self.config
        weights: dict[str, float | Tensor] = {"full": 1.0, "consistency": config.alpha, "drop": config.beta}
        if self.gradnorm is not None:
            if ramp > 0 and "full" in means:
                self.gradnorm.update(means)
            weights |= self.gradnorm.named()
        weights |= {"sparsity": config.gamma, "tv": config.delta, "volume": config.volume_lambda, "policy": 1.0}
        return {name: weight if name == "full" else weight * ramp for name, weight in weights.items()}

    def _gradnorm(self) -> GradNorm:
        """GradNorm over the tasks. The area terms keep their static weights: they are priors, not tasks.

        Their gradients vanish at a flat or empty mask, so to make them as large as the tasks' is to ask for one:
        with total variation among them, the mask collapsed within two epochs.
        """
        config = self.config
        seen = ("full",) if config.mask_kind == "none" else ("full", "consistency", "drop")
        groups = [Group(seen, self.classifier.last_block())]
        if self.source.generator is not None and config.mask_kind == "straight_through":
            groups.append(Group(("consistency", "drop"), tuple(self.source.generator.head.parameters())))
        alpha, lr, floor = config.gradnorm_alpha, config.gradnorm_lr, config.weight_floor
        return GradNorm(groups, alpha=alpha, lr=lr, floor=floor, processes=self.processes)


def _noting(place: Tensor) -> Callable[[Tensor], None]:
    """A hook that writes a gradient's norm to a place."""

    def note(gradient: Tensor) -> None:
        place.copy_(gradient.detach().norm())

    return note
