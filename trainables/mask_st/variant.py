"""The variant mask_st: data, networks and training step put together behind the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.augment import to_device
from trainables.mask_st import health, losses, panels, sampling, scoring
from trainables.mask_st.batches import Batch, Batches
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load
from trainables.mask_st.examples import Examples
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import networks, trained
from trainables.mask_st.step import MaskStep
from trainables.mask_st.views import three_views
from trainables.measuring import multilabel
from trainables.stages import Stage
from trainables.training.weights import parameter_groups

EVALUATION_BATCH = 128
EVALUATION_SEED = 20171121  # of the masks that mask_kind=random is scored with, in every epoch and every trial


class MaskST(Variant):
    """Straight-through stochastic masks, and the kinds of mask that they are compared with."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes = context.device, context.processes
        self.examples: dict[Split, Examples] = {split: load(config, data, split) for split in context.splits}
        some = next(iter(self.examples.values()))
        channels, self.classes = some.images.shape[-1], some.classes
        self.classifier, self.generator = networks(config, channels, len(self.classes), self.device)
        self.source = MaskSource(config, self.generator)
        self.temperature = config.temperature
        if "train" in self.examples:
            train, rates = self.examples["train"], self.classifier.drop_rates
            pos_weight = losses.positive_weights(train.labels, config.pos_weight_cap, self.device)
            self._step = MaskStep(config, self.classifier, self.source, pos_weight, self.device, self.processes)
            self._batches = Batches(config, train, self.source.side, rates, self.device, context.seed, self.processes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Classification alone, and then with the mask losses.

        The plain baseline has the same border, or it would never be compared with the kinds that have one.
        """
        first, epochs = health.plain_epochs(self.config), self.config.epochs
        masks = Stage("masks", epochs)
        return (Stage("classification", first), masks) if 0 < first < epochs else (masks,)

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
        return trained(self.classifier, self.generator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights of each network and, without decay, its biases and norms; the generator at its own rate."""
        return parameter_groups(self.modules(), self.config, {"generator": self.config.mask_lr_mult})

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        return self._batches.of_epoch(epoch)

    def train_mode(self, epoch: int) -> None:
        """Set the epoch's temperature, a function of the epoch alone, so that no interruption can restart it."""
        self.temperature = sampling.temperature(self.config, epoch)
        for module in self.modules().values():
            module.train()

    def step(self, batch: Batch, update: int) -> Step:
        """What `MaskStep` makes of the batch at this epoch's temperature."""
        return self._step(batch, update, self.temperature)

    def state(self) -> dict[str, Any]:
        """What `MaskStep` carries from step to step."""
        return self._step.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._step.load_state(state)

    def evaluate(self, split: Split) -> dict[str, float]:
        """What `scoring.figures` says, without noise; mask_kind=random draws from a generator of its own.

        The thresholds of F1 are those that validation's calibration rows choose, whatever the split.
        """
        for needed in (split, "val"):
            if needed not in self.examples:
                raise ValueError(f"to evaluate {split}, build the variant with the {needed} split too")
        examples, val = self.examples[split], self.examples["val"]
        found = self._predictions(examples)
        chosen = found.full[val.calibration] if split == "val" else self._predictions(val.select(val.calibration)).full
        thresholds = multilabel.choose_thresholds(val.labels[val.calibration], chosen)
        return scoring.figures(found, examples, thresholds, self.config)

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """A sheet for each of a few validation examples; none without masks."""
        if "val" not in self.examples or self.config.mask_kind == "none":
            return {}
        examples = self.examples["val"]
        rows = panels.chosen(examples)
        predicted = self._predict(examples, torch.from_numpy(rows), self._random_noise(len(examples)))
        *scores, saliency, masks = (each.cpu().numpy() for each in predicted)
        return {
            f"example_{index + 1}": panels.sheet(
                examples, row, [score[index] for score in scores], saliency[index], masks[index], self.config.reference
            )
            for index, row in enumerate(rows.tolist())
        }

    def describe(self) -> dict[str, Any]:
        """Splits, classes, how pixels are normalised, and the networks' parameters."""
        some = next(iter(self.examples.values()))
        return {
            "classes": list(self.classes),
            "pixels": {"channels": some.images.shape[-1], "mean": some.mean, "std": some.std},
            "splits": {split: examples.describe() for split, examples in self.examples.items()},
            "parameters": {name: sum(map(Tensor.numel, each.parameters())) for name, each in self.modules().items()},
        }

    def _predictions(self, examples: Examples) -> scoring.Predictions:
        """Of all examples, each process doing its share."""
        own, noise = self.processes.rows(torch.arange(len(examples))), self._random_noise(len(examples))
        parts = [self._predict(examples, rows, noise) for rows in own.split(EVALUATION_BATCH)]
        columns = [self.processes.gather_rows(torch.cat(column), len(examples)) for column in zip(*parts, strict=True)]
        return scoring.Predictions(*(column.cpu().numpy() for column in columns))

    @torch.no_grad()
    def _predict(self, examples: Examples, rows: Tensor, noise: Tensor | None) -> tuple[Tensor, ...]:
        """The rows' probabilities `[b, K]` on full, keep and drop images, saliency and mask `[b, h, w]`.

        Only the first of them where there are no masks.

        Args:
            noise: of the random masks of all examples, `[N, 1, h, w]`; None for all other kinds.
        """
        for module in self.modules().values():
            module.eval()
        images, _ = to_device(examples, rows, self.device)
        if self.config.mask_kind == "none":
            return (self.classifier(images).sigmoid(),)
        own = None if noise is None else noise[rows].to(self.device)
        saliency, mask = self.source.deployed(self.source.logits(images), own)
        scores = self.classifier(three_views(images, mask, self.config.reference)).sigmoid().chunk(3)
        return (*scores, saliency[:, 0], mask[:, 0] > 0)

    def _random_noise(self, count: int) -> Tensor | None:
        """What draws the masks of mask_kind=random when they are scored, always the same; None for other kinds."""
        if self.config.mask_kind != "random":
            return None
        generator = torch.Generator().manual_seed(EVALUATION_SEED)
        return sampling.draw_noise("logistic", (count, 1, self.source.side, self.source.side), generator)


build = MaskST
