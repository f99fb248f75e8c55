"""The variant noise_mask: data, classifier, policy and stages put together behind the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.networks.synced_norm import synchronise_batch_norms
from trainables.noise_mask import health, probe, scoring
from trainables.noise_mask.batches import Batch, Batches
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split
from trainables.noise_mask.judging import Judge
from trainables.noise_mask.model import Standardisation, build_classifier
from trainables.noise_mask.panels import draw_panels
from trainables.noise_mask.policy import Policy
from trainables.noise_mask.progress import Progress
from trainables.noise_mask.sampling import MaskSampler
from trainables.noise_mask.split import ClassImages
from trainables.noise_mask.step import TrainingStep
from trainables.settings import UsageError
from trainables.stages import Stage
from trainables.training.weights import parameter_groups


class NoiseMask(Variant):
    """A classifier that is heated under noise masks and then fine-tuned without them."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes = context.device, context.processes
        train = load_split(config, data, "train")  # batch norms are measured on it, whatever is asked for
        self.splits: dict[Split, ClassImages] = {split: load_split(config, data, split) for split in context.splits}
        self.classes = train.classes
        self.classifier = self._to_device(build_classifier(config, len(self.classes)))
        self.policy: Policy | None = None
        if config.has_policy:
            self.policy = Policy(config, self.processes)
            self._to_device(self.policy)
        self.standard = Standardisation(train.mean, train.std).to(self.device)
        self.progress = Progress(config.grid**2 if config.has_policy else 0).to(self.device)
        self._batches = Batches(config, train, self.device, self.processes, context.seed)
        self._check_sizes()
        self.sampler = MaskSampler(config, self.policy, self.processes)
        self.judge = Judge(self.classifier, self.sampler, self.progress, self._batches)
        self._step = TrainingStep(config, self.classifier, self.sampler, context.seed, self.processes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Heat under masks and fine-tuning without; the baseline without masks has one stage, of the same length."""
        heat, epochs = self.config.heat_epochs, self.config.epochs
        if heat == 0:
            return (Stage("training", epochs),)
        fine_tuning = Stage(
            "fine_tune",
            epochs,
            restarts_schedule=True,
            lr_factor=self.config.ft_lr / self.config.lr if self.config.lr > 0 else 0.0,
            warmup=self.config.ft_warmup * (epochs - heat),
            fresh_optimizer=True,
            comparable=self.config.probe_steps > 0,  # then a heated model is judged by a fine-tuned copy
        )
        return (Stage("heat", heat, keeps_folder=True, usable=False), fine_tuning)

    @property
    def steps_per_epoch(self) -> int:
        """The number of whole batches in an epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the networks, the images' normalisation, and the state that is saved with the weights."""
        return {**self.gradient_parts(), "standard": self.standard, "progress": self.progress}

    def gradient_parts(self) -> Mapping[str, nn.Module]:
        """Return the classifier, and the policy where there is one."""
        policy = {} if self.policy is None else {"policy": self.policy}
        return {"classifier": self.classifier, **policy}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights of each network and, without decay, its biases and norms; the policy at its own rate."""
        networks, rate = self.gradient_parts(), self.config.policy_lr_ratio
        return parameter_groups(networks, self.config, {"policy": rate} if "policy" in networks else {})

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Return the epoch's batches."""
        return self._batches.of_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Choose between masks and none; before the first epoch, take the data's normalisation and note the policy."""
        if epoch == 0:
            train = self._batches.train
            # Weights from another training (`init_from`) have brought its data's normalisation with them.
            self.standard.load_state_dict(Standardisation(train.mean, train.std).state_dict())
            if self.policy is not None:
                self.progress.record_policy(self.policy, train)
        self._step.under_masks = epoch < self.config.heat_epochs
        for network in self.gradient_parts().values():
            network.train()

    def end_epoch(self) -> None:
        """Measure the batch norms anew after an epoch without masks, as is done for the copies of a heated classifier.

        Else they would lag behind the weights while these still change a lot, and the baseline without masks would be
        judged too low at a rung. Training uses the statistics of its batches, so it is the same either way.
        """
        self.progress.heated.fill_(self._step.under_masks)
        if not self._step.under_masks:
            probe.measure_batch_norms(self.classifier, self._batches)

    def step(self, batch: Batch, update: int) -> Step:
        """Compute the losses of a batch, under masks in the heat stage."""
        return self._step(batch, update)

    def state(self) -> dict[str, Any]:
        """Return the running reward."""
        return self._step.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._step.load_state(state)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Compute metrics without masks and under them; see `Predictions` for a heated classifier.

        Images of a class that training has none of are not scored.
        """
        self.require_splits(split)
        images = self.splits[split]
        shift = 0.0 if self.policy is None else self.progress.policy_shift(self.policy, self._batches.train)
        mask = images.scored_images
        return {
            **scoring.score(self.judge.predict(images).select(mask), images.labels[mask]),
            "classes": float(len(self.classes)),
            "health/policy_shift": shift,
        }

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the findings of `health.findings`."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """Draw a few validation images, the masks that they get, and the classifier's predictions."""
        return draw_panels(self.splits["val"], self.judge) if "val" in self.splits else {}

    def stage_panel(self) -> np.ndarray | None:
        """Draw the same as the stage leaves it."""
        return self.panels().get("masks")

    def describe(self) -> dict[str, Any]:
        """Describe classes, the normalisation of pixels, splits and networks."""
        pixels = {"mean": self.standard.mean.item(), "std": self.standard.std.item()}
        return {"classes": list(self.classes), "pixels": pixels, **super().describe()}

    # -- parts -----------------------------------------------------------------------------------------------------

    def _check_sizes(self) -> None:
        """See that every process gets an image of every batch and split."""
        sizes: dict[str, int] = {"a batch": self._batches.size}
        sizes |= {name: len(images) for name, images in self.splits.items()}
        for name, size in sizes.items():
            if size < self.processes.world:
                raise UsageError(f"{name} has {size} images for {self.processes.world} processes: start fewer.")

    def _to_device(self, network: nn.Module) -> nn.Module:
        """Put a network on the device, its batch norms those of the whole batch."""
        return synchronise_batch_norms(network, self.processes.world).to(self.device)


build = NoiseMask
