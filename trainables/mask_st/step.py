"""One training step: the classifier on full, keep and drop images, the losses, and their weights.

The three views go through the classifier as one batch. The step is the same for all kinds of mask, so that they
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
from trainables.training.reward_baseline import RewardBaseline


class TrainingStep:
    """Losses of a batch and the scalars to report.

    Attributes:
        temperature: of the masks; the variant sets it before every epoch.

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
        self.temperature = config.temperature
        self.baseline = RewardBaseline(config.ppo_baseline_decay, processes)
        self.gradnorm = self._set_up_gradnorm() if config.weighting == "gradnorm" else None
        self._rollouts: dict[int, policy.Rollout] = {}  # of the batches of one accumulated update, by their number
        self._repeats = False  # whether the last update was a further one
        self._head_norm = torch.zeros((), device=device)  # both are written in the backward pass
        self._signal_norm = torch.zeros((), device=device)
        if source.generator is not None:
            source.generator.head.weight.register_hook(_norm_recorder(self._head_norm))

    def __call__(self, batch: Batch, update: int) -> Step:
        """Classify the three views of each image and compute the losses.

        PPO's further updates of a batch re-use its rollout: only the losses of policy and mask area are computed.

        Args:
            batch: of images.
            update: counts the re-uses of the batch, from 0.
        """
        self._head_norm.zero_()
        self._signal_norm.zero_()
        if self.config.mask_kind == "none":
            logits = self.classifier(batch.images, batch.depth)
            return self._weigh({"full": losses.full(logits, batch.labels, self.pos_weight)}, batch.ramp)
        logits = self.source.logits(batch.images)
        task_logits = self._watch(logits)
        if update == 0:
            mask = self.source.draw(task_logits, batch.noise, self.temperature)
            terms = self._classifier_terms(batch, task_logits, mask)
        else:
            mask, terms = Mask(self._rollout(batch).actions, task_logits.sigmoid()), {}
        self._repeats = update > 0
        if self.source.generator is not None:
            terms |= losses.area_terms(self.config, mask, logits, self.processes)
        if self.config.mask_kind == "ppo":
            terms["policy"] = self._policy_loss(task_logits, self._rollout(batch))
        return self._weigh(terms, batch.ramp)

    def state(self) -> dict[str, Any]:
        """Return dynamic weights and PPO's baseline; temperature and random draws follow from the epoch."""
        gradnorm = None if self.gradnorm is None else self.gradnorm.state()
        return {"baseline": self.baseline.state(), "gradnorm": gradnorm}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.baseline.load_state(state["baseline"])
        if self.gradnorm is not None:
            self.gradnorm.load_state(state["gradnorm"])

    def _watch(self, logits: Tensor) -> Tensor:
        """Return a view of the logits for classifier and policy, whose gradient's norm is `health/mask_signal`.

        The area terms take the logits themselves, so that their gradient is no part of it.
        """
        task_logits = logits.view_as(logits)
        if task_logits.requires_grad:
            task_logits.register_hook(_norm_recorder(self._signal_norm))
        return task_logits

    def _classifier_terms(self, batch: Batch, logits: Tensor, mask: Mask) -> dict[str, Tensor]:
        """Classify the three views of each image and compute their losses, `[b]` each; PPO keeps its rollout."""
        depth = batch.depth
        if depth is not None:  # stochastic depth would make full, keep and drop differ for other reasons than the mask
            depth = torch.cat([depth, torch.ones_like(depth).repeat(2, 1)])
        views = three_views(batch.images, mask.value, self.config.reference)
        full, keep, drop = self.classifier(views, depth).chunk(3)
        if self.config.mask_kind == "ppo":
            rewards = losses.rewards(self.config, full, keep, drop, batch.labels)
            self._keep_rollout(batch, self._make_rollout(logits, mask, rewards))
        terms = losses.classifier_terms(self.config, full, keep, drop, batch.labels, self.processes)
        return {"full": losses.full(full, batch.labels, self.pos_weight), **terms}

    def _make_rollout(self, logits: Tensor, mask: Mask, rewards: Tensor) -> policy.Rollout:
        """Collect a batch's actions, their log-probabilities and advantages.

        The area terms are no part of the reward: they can be differentiated, and a reward would only add noise.
        """
        log_probs = policy.log_probs(logits, mask.value).detach()
        return policy.Rollout(mask.value, log_probs, self.baseline.advantages(rewards))

    def _keep_rollout(self, batch: Batch, rollout: policy.Rollout) -> None:
        """Keep a batch's rollout for its further updates.

        Of accumulated batches the loop makes the first update on all, then the second on all: so each has its own.
        """
        if self._repeats or self.config.ppo_updates == 1:  # those before have had all of their updates
            self._rollouts.clear()
        self._rollouts[batch.number] = rollout

    def _rollout(self, batch: Batch) -> policy.Rollout:
        if batch.number not in self._rollouts:
            raise ValueError("a further update of a batch without its first")
        return self._rollouts[batch.number]

    def _policy_loss(self, logits: Tensor, rollout: policy.Rollout) -> Tensor:
        """Compute PPO's loss `[b]` on the batch's rollout."""
        surrogate = policy.clipped_loss(logits, rollout, self.config.ppo_clip)
        return surrogate - self.config.ppo_entropy * policy.entropy(logits)

    def _weigh(self, terms: Mapping[str, Tensor], ramp: float) -> Step:
        """Add up the weighted terms, and collect the scalars to report."""
        means = {name: self.processes.batch_mean(term) for name, term in terms.items()}
        weights = self._weights(means, ramp)
        total = torch.stack([weights[name] * mean for name, mean in means.items()]).sum()
        components = {f"raw/{name}": mean.detach() for name, mean in means.items()}
        if self.gradnorm is not None:
            components |= {f"train/w_{name}": weight for name, weight in self.gradnorm.weights_by_task().items()}
        if self.source.generator is not None:
            components["train/temperature"] = total.new_tensor(self.temperature)
            # Filled in by the backward pass, which comes before the loop reads them; of this process's rows alone.
            components |= {"health/mask_grad_norm": self._head_norm, "health/mask_signal": self._signal_norm}
        return Step(total, components)

    def _weights(self, means: Mapping[str, Tensor], ramp: float) -> dict[str, float | Tensor]:
        """Return the factor of every term; GradNorm replaces 1, alpha and beta."""
        config = self.config
        weights: dict[str, float | Tensor] = {"full": 1.0, "consistency": config.alpha, "drop": config.beta}
        if self.gradnorm is not None:
            if ramp > 0 and "full" in means:
                self.gradnorm.update(means)
            weights |= self.gradnorm.weights_by_task()
        weights |= {"sparsity": config.gamma, "tv": config.delta, "volume": config.volume_lambda, "policy": 1.0}
        return {name: weight if name == "full" else weight * ramp for name, weight in weights.items()}

    def _set_up_gradnorm(self) -> GradNorm:
        """Set up GradNorm over the tasks. The area terms keep their static weights: they are priors, not tasks.

        Their gradients vanish at a flat or empty mask, so to make them as large as the tasks' is to ask for one:
        with total variation among them, the mask collapsed within two epochs.
        """
        config = self.config
        tasks = ("full",) if config.mask_kind == "none" else ("full", "consistency", "drop")
        groups = [Group(tasks, self.classifier.last_block())]
        if self.source.generator is not None and config.mask_kind == "straight_through":
            groups.append(Group(("consistency", "drop"), tuple(self.source.generator.head.parameters())))
        alpha, lr, floor = config.gradnorm_alpha, config.gradnorm_lr, config.weight_floor
        return GradNorm(groups, alpha=alpha, lr=lr, floor=floor, processes=self.processes)


def _norm_recorder(norm: Tensor) -> Callable[[Tensor], None]:
    """Return a hook that writes the norm of a gradient to a tensor."""

    def record(gradient: Tensor) -> None:
        norm.copy_(gradient.detach().norm())

    return record
