"""The variant: one classifier sees each image whole, through the mask, and without what the mask keeps.

A step forwards the three versions as one batch. Where the mask comes from is one switch, `mask_kind`; everything else
is the same for all kinds, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.contract import Finding, Split, Step, Variant
from trainables.mask_st import health, losses, panels, policy, sampling, scoring
from trainables.mask_st.batches import Batch, Batches, to_device
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import Examples, load
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import Classifier, MaskGenerator
from trainables.mask_st.sampling import Mask
from trainables.mask_st.views import keep_and_drop
from trainables.mask_st.weighting import GradNorm, Group
from trainables.processes import Processes

EVALUATION_BATCH = 128
EVALUATION_SEED = 20171121  # of the masks that mask_kind=random is scored with, in every epoch and every trial


class MaskST(Variant):
    """Straight-through stochastic masks, and the kinds of mask that they are compared with."""

    config: Config

    def __init__(
        self,
        config: Config,
        data: Data,
        *,
        device: torch.device,
        seed: int,
        splits: Sequence[Split],
        processes: Processes,
    ) -> None:
        self.config, self.device, self.processes = config, device, processes
        self.examples: dict[Split, Examples] = {split: load(config, data, split) for split in splits}
        some = next(iter(self.examples.values()))
        channels, self.classes = some.images.shape[-1], some.classes
        self.layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.classifier = Classifier(config, channels, len(self.classes)).to(device, memory_format=self.layout)
        self.generator: MaskGenerator | None = None
        if config.mask_kind not in ("none", "random"):
            self.generator = MaskGenerator(config, channels).to(device, memory_format=self.layout)
        self.source = MaskSource(config, self.generator)
        self.temperature = config.temperature
        self.baseline = policy.Baseline(config.ppo_baseline_decay, processes)
        self.gradnorm = self._gradnorm() if config.weighting == "gradnorm" else None
        self._head_gradient = torch.zeros((), device=device)  # both are written in the backward pass
        self._signal = torch.zeros((), device=device)
        if self.generator is not None:
            self.generator.head.weight.register_hook(_noting(self._head_gradient))
        if "train" in self.examples:
            examples = self.examples["train"]
            self.pos_weight = losses.positive_weights(examples.labels, config.pos_weight_cap, device)
            self._batches = Batches(
                config, examples, self.source.side, self.classifier.drop_rates, device, seed, processes
            )

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Where the mask losses set in: the end of the part with classification alone."""
        first = health.plain_epochs(self.config)
        return (first,) if self.config.mask_kind != "none" and 0 < first < self.config.epochs else ()

    @property
    def updates_per_batch(self) -> int:
        """PPO re-uses its actions; nothing else re-uses a batch."""
        return self.config.ppo_updates if self.config.mask_kind == "ppo" else 1

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """The classifier and, where masks are learnt, the generator."""
        found: dict[str, nn.Module] = {"classifier": self.classifier}
        return found if self.generator is None else {**found, "generator": self.generator}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights of each network and, without decay, its biases and norms; the generator at its own rate."""
        config, groups = self.config, []
        for name, module in self.modules().items():
            lr = config.lr * (config.mask_lr_mult if name == "generator" else 1.0)
            for decays in (True, False):
                chosen = [each for each in module.parameters() if (each.ndim > 1) == decays]
                groups.append({"params": chosen, "lr": lr, "weight_decay": config.weight_decay * decays})
        return groups

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        return self._batches.of_epoch(epoch)

    def train_mode(self, epoch: int) -> None:
        """Set the epoch's temperature, a function of the epoch alone, so that no interruption can restart it."""
        self.temperature = sampling.temperature(self.config, epoch)
        for module in self.modules().values():
            module.train()

    def step(self, batch: Batch, update: int) -> Step:
        """Three passes and their losses; on PPO's further updates of a batch, its policy and the mask's area alone."""
        self._head_gradient.zero_()
        self._signal.zero_()
        if self.config.mask_kind == "none":
            logits = self._classify(batch.images, batch.depth)
            return self._weighed({"full": losses.full(logits, batch.labels, self.pos_weight)}, batch)
        logits = self.source.logits(batch.images)
        watched = self._watched(logits)
        mask = self._mask(batch, watched)
        terms = self._look(batch, mask) if update == 0 else {}
        if self.generator is not None:
            terms |= losses.area_terms(self.config, mask, logits, self.processes)
        if self.config.mask_kind == "ppo":
            terms["policy"] = self._policy_loss(batch, watched, mask, terms)
        return self._weighed(terms, batch)

    @torch.no_grad()
    def evaluate(self, split: Split) -> dict[str, float]:
        """Figures of `scoring.figures`; masks without noise, those of mask_kind=random from a generator of their own."""
        if split not in self.examples:
            raise ValueError(f"this variant was built without the {split} split, only with {', '.join(self.examples)}")
        examples = self.examples[split]
        own = self.processes.rows(torch.arange(len(examples)))
        parts = [self.predict(examples, rows) for rows in own.split(EVALUATION_BATCH)]
        columns = [self.processes.gather_rows(torch.cat(column), len(examples)) for column in zip(*parts, strict=True)]
        found = scoring.Predictions(*(column.cpu().numpy() for column in columns))
        return scoring.figures(found, examples, self.config.keep_ratio, learned=self.generator is not None)

    def state(self) -> dict[str, Any]:
        """Dynamic weights and PPO's baseline; temperature and random draws follow from the epoch."""
        return {
            "baseline": self.baseline.state(),
            "gradnorm": None if self.gradnorm is None else self.gradnorm.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.baseline.load_state(state["baseline"])
        if self.gradnorm is not None:
            self.gradnorm.load_state(state["gradnorm"])

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """A strip for each of a few validation examples."""
        return panels.strips(self) if "val" in self.examples else {}

    def describe(self) -> dict[str, Any]:
        """Splits, classes, and the networks' parameters."""
        return {
            "classes": list(self.classes),
            "splits": {split: examples.describe() for split, examples in self.examples.items()},
            "parameters": {name: sum(map(Tensor.numel, each.parameters())) for name, each in self.modules().items()},
        }

    @torch.no_grad()
    def predict(self, examples: Examples, rows: Tensor) -> tuple[Tensor, ...]:
        """Without noise: the rows' probabilities `[b, K]` on full, keep and drop images, saliency and mask `[b, h, w]`.

        Only the first of them where there are no masks.
        """
        for module in self.modules().values():
            module.eval()
        images, _ = to_device(examples, rows, self.device)
        if self.config.mask_kind == "none":
            return (self._classify(images).sigmoid(),)
        noise = self._random_masks(len(examples))[rows].to(self.device) if self.generator is None else None
        saliency, mask = self.source.deployed(self.source.logits(images), noise)
        scores = self._classify(self._views(images, mask)).sigmoid().chunk(3)
        return (*scores, saliency[:, 0], mask[:, 0] > 0)

    def _classify(self, images: Tensor, depth: Tensor | None = None) -> Tensor:
        """Logits `[B, K]` in float32."""
        return self.classifier(images.contiguous(memory_format=self.layout), depth).float()

    def _views(self, images: Tensor, mask: Tensor) -> Tensor:
        """Full, keep and drop images in one batch `[3b, C, S, S]`."""
        pixels = sampling.to_pixels(mask, images.shape[-1])
        return torch.cat([images, *keep_and_drop(images, pixels, self.config.reference)])

    def _watched(self, logits: Tensor) -> Tensor:
        """The logits again, in a place of the graph that only the classifier's and the policy's gradients pass."""
        watched = logits.view_as(logits)
        if watched.requires_grad:
            watched.register_hook(_noting(self._signal))
        return watched

    def _mask(self, batch: Batch, logits: Tensor) -> Mask:
        if batch.rollout is not None:
            return Mask(batch.rollout.actions, logits.sigmoid())
        return self.source.draw(logits, batch.noise, self.temperature)

    def _look(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """The classifier on the three versions of each image, and what they cost, `[b]` each."""
        depth = batch.depth
        if depth is not None:  # stochastic depth would make full, keep and drop differ for no reason of the mask's
            depth = torch.cat([depth, torch.ones_like(depth).repeat(2, 1)])
        full, keep, drop = self._classify(self._views(batch.images, mask.value), depth).chunk(3)
        terms = losses.classifier_terms(self.config, full, keep, drop, batch.labels, self.processes)
        return {"full": losses.full(full, batch.labels, self.pos_weight), **terms}

    def _policy_loss(self, batch: Batch, logits: Tensor, mask: Mask, terms: Mapping[str, Tensor]) -> Tensor:
        """PPO's loss `[b]`; the first update of a batch rewards its actions with what they cost the classifier.

        The area terms are no part of the reward: they can be differentiated, and a reward would only add noise.
        """
        if batch.rollout is None:
            rewards = -(self.config.alpha * terms["consistency"] + self.config.beta * terms["drop"]).detach()
            taken = policy.log_probs(logits, mask.value).detach()
            batch.rollout = policy.Rollout(mask.value, taken, self.baseline.advantages(rewards))
        surrogate = policy.clipped_loss(logits, batch.rollout, self.config.ppo_clip)
        return surrogate - self.config.ppo_entropy * policy.entropy(logits)

    def _weighed(self, terms: Mapping[str, Tensor], batch: Batch) -> Step:
        """The terms' weighted sum, and the scalars to report."""
        means = {name: losses.batch_mean(term, self.processes) for name, term in terms.items()}
        weights = self._weights(means, batch.ramp)
        total = torch.stack([weights[name] * mean for name, mean in means.items()]).sum()
        components = {f"raw/{name}": mean.detach() for name, mean in means.items()}
        if self.gradnorm is not None:
            components |= {f"train/w_{name}": weight for name, weight in self.gradnorm.named().items()}
        if self.generator is not None:
            components["train/temperature"] = torch.tensor(self.temperature)
            # Filled in by the backward pass, which comes before the loop reads them.
            components["health/mask_grad_norm"] = self._head_gradient
            components["health/mask_signal"] = self._signal
        return Step(total, components)

    def _weights(self, means: Mapping[str, Tensor], ramp: float) -> dict[str, float | Tensor]:
        """Every term's factor. GradNorm replaces the static weights, except that of sparsity, which is in no group."""
        config = self.config
        weights: dict[str, float | Tensor] = {
            "full": 1.0,
            "consistency": config.alpha,
            "drop": config.beta,
            "sparsity": config.gamma,
            "tv": config.delta,
            "volume": config.volume_lambda,
            "policy": 1.0,
        }
        if self.gradnorm is not None:
            if ramp > 0 and "full" in means:
                self.gradnorm.update(means)
            weights |= self.gradnorm.named()
        return {name: weight if name == "full" else weight * ramp for name, weight in weights.items()}

    def _gradnorm(self) -> GradNorm:
        """Groups of the terms that have a gradient in the same parameters."""
        seen = ("full",) if self.config.mask_kind == "none" else ("full", "consistency", "drop")
        groups = [Group(seen, self.classifier.last_block())]
        if self.generator is not None:
            through = ("consistency", "drop") if self.config.mask_kind == "straight_through" else ()
            groups.append(Group((*through, "tv", "volume"), tuple(self.generator.head.parameters())))
        config = self.config
        return GradNorm(
            groups,
            alpha=config.gradnorm_alpha,
            lr=config.gradnorm_lr,
            floor=config.weight_floor,
            processes=self.processes,
        )

    def _random_masks(self, count: int) -> Tensor:
        """The noise of mask_kind=random's masks when they are scored, always the same."""
        generator = torch.Generator().manual_seed(EVALUATION_SEED)
        return sampling.draw_noise("logistic", (count, 1, self.source.side, self.source.side), generator)


def _noting(place: Tensor) -> Callable[[Tensor], None]:
    """A hook that writes a gradient's norm to a place."""

    def note(gradient: Tensor) -> None:
        place.copy_(gradient.detach().norm())

    return note


build = MaskST
