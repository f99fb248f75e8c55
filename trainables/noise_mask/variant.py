"""The variant noise_mask: data, classifier, policy and stages put together behind the contract that the loop knows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.augment import to_device
from trainables.networks.synced_norm import synchronised
from trainables.noise_mask import health, judging, panels, probe, scoring
from trainables.noise_mask.batches import Batch, Batches
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load
from trainables.noise_mask.heat import Heat, Progress, without_masks
from trainables.noise_mask.labelled import Labelled
from trainables.noise_mask.model import Standard, classifier
from trainables.noise_mask.policy import Policy
from trainables.settings import UsageError
from trainables.stages import Stage
from trainables.training.weights import parameter_groups

_EVALUATION_SEED = 20240620  # of the masks under which images are scored and shown, in every epoch of every trial
_SHOWN = 4  # images of a panel
_WATCHED = 32  # training images on which the policy's way is measured


class NoiseMask(Variant):
    """A classifier that is heated under noise masks and then fine-tuned without them."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes = context.device, context.processes
        train = load(config, data, "train")  # batch norms are measured on it, whatever is asked for
        self.pictures: dict[Split, Labelled] = {split: load(config, data, split) for split in context.splits}
        self.classes = train.classes
        self.classifier = self._whole(classifier(config, len(self.classes)))
        self.policy: Policy | None = None
        if config.has_policy:
            self.policy = Policy(config, self.processes)
            self._whole(self.policy)
        self.standard = Standard(train.mean, train.std).to(self.device)
        self.progress = Progress(_WATCHED, config.grid**2 if config.has_policy else 0).to(self.device)
        self._masked = False  # whether the epoch is one under masks
        self._judged: nn.Module | None = None  # what was scored last without masks
        self._batches, self.seed = Batches(config, train, self.device, self.processes), context.seed
        self._check_shares()
        self._heat = Heat(config, self.classifier, self.policy, context.seed, self.processes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Heat under masks and fine-tuning without; the baseline without masks has one stage, of the same length."""
        heat, epochs = self.config.heat_epochs, self.config.epochs
        if heat == 0:
            return (Stage("training", epochs),)
        factor = self.config.ft_lr / self.config.lr if self.config.lr > 0 else 0.0
        rise = self.config.ft_warmup * (epochs - heat)
        tuning = Stage(
            "fine_tune",
            epochs,
            anew=True,
            lr_factor=factor,
            warmup=rise,
            fresh_optimizer=True,
            comparable=self.config.probe_steps > 0,  # then a heated model is judged by a fine-tuned copy
        )
        return (Stage("heat", heat, kept=True), tuning)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """The classifier, the policy where there is one, and what the weights have come through."""
        policy = {} if self.policy is None else {"policy": self.policy}
        return {"classifier": self.classifier, **policy, "standard": self.standard, "progress": self.progress}

    def watched(self) -> Mapping[str, nn.Module]:
        """The two networks."""
        return {name: module for name, module in self.modules().items() if name in ("classifier", "policy")}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights of each network and, without decay, its biases and norms; the policy at its own rate."""
        return parameter_groups(self.watched(), self.config, {"policy": self.config.policy_lr_ratio})

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        return self._batches.of_epoch(self.seed, epoch)

    def train_mode(self, epoch: int) -> None:
        """Before the first epoch, note what the policy knows already."""
        if epoch == 0:
            train = self._batches.train  # init_from had other data's
            self.standard.load_state_dict(Standard(train.mean, train.std).state_dict())
        if epoch == 0 and self.policy is not None:
            self.progress.expected.copy_(self._learnt(self.policy))
        self._masked = epoch < self.config.heat_epochs
        for module in self.watched().values():
            module.train()

    def end_epoch(self) -> None:
        """Without masks, measure the batch norms anew, as is done for the copies that are scored under masks.

        Else they would lag behind the weights while these still change a lot, and the baseline without masks would be
        judged too low at a rung. Training goes by the statistics of its batches, and so is the same.
        """
        self.progress.heated.fill_(self._masked)
        if not self._masked:
            probe.measure(self.classifier, self._batches)

    def step(self, batch: Batch, update: int) -> Step:
        """Under masks what `Heat` makes of the batch, and without them the cross-entropy."""
        if self._masked:
            return self._heat(batch)
        errors = F.cross_entropy(self.classifier(batch.images).float(), batch.labels, reduction="none")
        loss = self.processes.batch_mean(errors)
        return Step(loss, {"raw/cross_entropy": loss.detach(), **without_masks(self.device)})

    def state(self) -> dict[str, Any]:
        """The running reward."""
        return self._heat.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._heat.load_state(state)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Figures without masks, and under them.

        After an epoch under masks, those without masks are of a copy that is fine-tuned for `probe_steps` steps, and
        `…_heated` is of a copy whose batch norms alone were measured without masks.
        """
        self._of(split)  # told before a copy is fine-tuned for it
        self._judged = self.probed(0) if self.progress.heated else self.classifier
        found = self.figures(self._judged, split)
        heated = found["accuracy_balanced"]
        if self.progress.heated and self.config.probe_steps:
            self._judged = self.probed(self.config.probe_steps)
            found = self.figures(self._judged, split)
        under = found  # where there are no masks
        if self.config.objective != "none":
            under = self.figures(self.classifier, split, masked=True)
        return {
            **{f"{key}_maskfree": value for key, value in found.items()},
            "accuracy_balanced_heated": heated,
            **{f"{key}_maskon": under[key] for key in ("accuracy", "accuracy_balanced")},
            "classes": float(len(self.classes)),
            "health/policy_shift": self._shift(),
        }

    def probed(self, steps: int) -> nn.Module:
        """A copy of the classifier, fine-tuned for so many steps, its batch norms measured on images without masks."""
        made = copy.deepcopy(self.classifier)
        probe.fine_tune(made, self._batches, self.config, steps)
        probe.measure(made, self._batches)
        return made

    def figures(self, net: nn.Module, split: Split, *, masked: bool = False) -> dict[str, float]:
        """What `scoring.figures` says of a split, each process doing its share.

        Args:
            net: a classifier; it is left in evaluation mode.
            split: one that the variant was built with.
            masked: whether the images are under masks.

        Raises:
            ValueError: the variant was built without the split.
        """
        pictures = self._of(split)
        masks = self._masks if masked else None
        said = judging.probabilities(net, pictures, self.device, self.processes, masks)
        return scoring.figures(said, pictures.labels)

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """A sheet of a few validation images, the masks that they get, and what the classifier says of the images."""
        if "val" not in self.pictures:
            return {}
        pictures = self.pictures["val"]
        rows = torch.linspace(0, len(pictures) - 1, _SHOWN).round().long()
        images, labels = to_device(pictures, rows, self.device)
        masks = None if self.config.objective == "none" else self._masks(images)
        said = judging.said((self._judged or self.classifier).eval(), images).cpu().numpy()
        sheet = panels.sheet(images, masks, labels.cpu().numpy(), said, self.classes, pictures.mean, pictures.std)
        return {"masks": sheet}

    def stage_picture(self) -> np.ndarray | None:
        """The same, as the stage leaves it."""
        return self.panels().get("masks")

    def describe(self) -> dict[str, Any]:
        """Splits, classes, how pixels are normalised, and the networks' parameters."""
        return {
            "classes": list(self.classes),
            "pixels": {"mean": self.standard.mean.item(), "std": self.standard.std.item()},
            "splits": {split: pictures.describe() for split, pictures in self.pictures.items()},
            "parameters": {name: sum(map(Tensor.numel, each.parameters())) for name, each in self.watched().items()},
        }

    # -- parts -----------------------------------------------------------------------------------------------------

    def _check_shares(self) -> None:
        """Every process needs an image of every batch and split."""
        sizes: dict[str, int] = {"a batch": self._batches.size}
        sizes |= {split: len(each) for split, each in self.pictures.items()}
        for name, size in sizes.items():
            if size < self.processes.world:
                raise UsageError(f"{name} has {size} images for {self.processes.world} processes: start fewer.")

    def _whole(self, module: nn.Module) -> nn.Module:
        """On the device, its batch norms those of the whole batch."""
        return synchronised(module, self.processes.world).to(self.device)

    def _of(self, split: Split) -> Labelled:
        if split not in self.pictures:
            raise ValueError(f"to evaluate {split}, build the variant with the {split} split too")
        return self.pictures[split]

    @torch.no_grad()
    def _masks(self, images: Tensor, place: int = 0) -> Tensor:
        """One for each image, always the same for a number of processes, the policy in evaluation mode."""
        if self.policy is not None:
            self.policy.eval()
        size = len(images) * self.processes.world
        return self._heat.drawn(images, size, (_EVALUATION_SEED, place), samples=1).masks

    def _learnt(self, policy: Policy) -> Tensor:
        """What the policy has learnt of a few training images: `[n, g²]`."""
        train = self._batches.train
        rows = torch.linspace(0, len(train) - 1, len(self.progress.expected)).round().long()
        return policy.learnt(to_device(train, rows, self.device)[0])

    def _shift(self) -> float:
        """How far that has moved since before training, mean of the absolute changes."""
        if self.policy is None:
            return 0.0
        return float((self._learnt(self.policy) - self.progress.expected).abs().mean())


build = NoiseMask
