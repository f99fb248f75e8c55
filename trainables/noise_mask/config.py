"""Settings of noise_mask. The defaults are the published command's values, with AdamW in place of SGD.

Source for the defaults: Yavuz and Yang 2024, Policy Gradient-Driven Noise Mask (arXiv 2406.14568) and its public
training command: 90 epochs with masks and 10 without, grid 64, deviation 6 (its kernel of 13 pixels cuts it off at one
deviation; here it is wider), a share of 0.9 of running parameters that follow with 0.99, the policy's learning rate a
tenth of the classifier's. As the command's loss cannot do what the paper says of it, the default is the policy gradient
(Williams 1992); `objective=literal` is the command's. Different, too: one channel, clipped gradients, AdamW's learning
rates, and a weight on entropy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from trainables.base_config import DataConfig, NetworkField, TrainingConfig
from trainables.settings import LARGEST_SEED, LARGEST_SIDE, UsageError, setting


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Hyperparameters of one noise_mask training."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (
        "backbone", "channels", "objective", "policy_backbone", "policy_width", "grid",
    )  # fmt: skip
    NETWORKS: ClassVar[tuple[NetworkField, ...]] = (
        NetworkField("backbone", example="resnet10t", channels="channels"),
        NetworkField("policy_backbone", example="resnet10t", weights=None, condition="has_policy"),
    )

    epochs: int = setting(100, "full budget in epochs, heat and fine-tuning; every schedule is a function of it", low=2)
    batch_size: int = setting(256, "images per forward pass, over all processes", low=2, high=65536)
    lr: float = setting(1e-3, "peak learning rate of the classifier in the heat stage, of AdamW", low=0.0)
    weight_decay: float = setting(1e-4, "AdamW's decoupled weight decay", low=0.0)

    # images
    image_size: int = setting(224, "side of the square input in pixels", low=16, high=LARGEST_SIDE)
    channels: Literal[1, 3] = setting(1, "1 reads images as grey, 3 in colour")
    augment: Literal["none", "crop_flip"] = setting(
        "crop_flip", "crop_flip: crop of a quarter to all of the area, and mirrored at times, on the device"
    )

    erase: float = setting(
        0.0, "share of the training images in which a random rectangle is erased, in both stages", low=0.0, high=1.0
    )

    # classifier
    backbone: str = setting("resnet10t", "a timm name, such as resnet10t, resnet18 or resnet50; test_resnet is tiny")
    weights: str = setting(
        "none",
        "of the classifier: none, timm (needs the internet), or a file's path: safetensors or a state dict",
        path=True,
    )

    # stages
    heat_share: float = setting(
        0.9, "share of the epochs that train under masks; the rest fine-tunes", low=0.05, high=0.95
    )
    ft_lr: float = setting(1e-4, "peak learning rate of fine-tuning", low=0.0)
    ft_warmup: float = setting(0.7, "share of fine-tuning over which its learning rate rises", low=0.0, high=0.9)
    probe_steps: int = setting(
        5,
        "steps of fine-tuning that a copy gets before it is scored without masks, in the heat stage; 0: none",
        low=0,
        high=10000,
    )

    # noise mask
    objective: Literal["literal", "reinforce", "rsample", "random", "none"] = setting(
        "reinforce",
        "what trains the policy; random: one fixed Beta and no policy; none: no mask, one stage, the baseline",
    )
    sign: Literal["cooperative", "adversarial"] = setting(
        "cooperative", "whether the policy prefers masks under which the classifier errs less, or more"
    )
    grid: int = setting(64, "cells along a side of the field of Beta variables", low=1, high=512)
    sigma: float = setting(6.0, "deviation of the mask's Gaussian blur in pixels; 0: none", low=0.0)
    kernel: int | None = setting(None, "odd width of that blur in pixels; none: 2·ceil(2·sigma) + 1", low=1, high=4095)
    amplitude: float = setting(
        1.0, "share of the mask in what the image is multiplied by; the rest is 1", low=0.0, high=1.0
    )
    mean_preserving: bool = setting(False, "shift every mask to a mean of 1, so that contrast is not halved")
    random_beta: float = setting(
        1.6,
        "objective=random: both parameters of the Beta distribution; 1000 halves contrast evenly",
        low=0.05,
        high=1000.0,
    )

    # policy
    policy_backbone: str = setting("resnet10t", "a timm name: extractor of the policy's features")
    policy_width: int = setting(512, "hidden units of the policy's two heads", low=8, high=65536)
    policy_lr_ratio: float = setting(0.1, "the policy's learning rate, as a multiple of lr", low=0.0)
    mix: float = setting(
        0.9, "share of the running parameters, the same for all images, in the policy", low=0.0, high=0.99
    )
    base_ema: float = setting(0.99, "decay of the running parameters", low=0.0, high=0.9999)
    beta_low: float = setting(
        0.2, "least parameter of the Beta distributions; 1 keeps them unimodal", low=0.05, high=1.0
    )
    beta_high: float = setting(20.0, "largest parameter of the Beta distributions", low=1.5, high=1000.0)
    entropy: float = setting(
        1e-3, "weight of the Beta distributions' entropy, mean over cells (not in literal)", low=0.0
    )
    baseline: Literal["ema", "batch"] = setting(
        "ema", "objective=reinforce: reward expected of every image: running mean, or mean of the batch's other images"
    )
    baseline_decay: float = setting(0.99, "baseline=ema: decay of the running mean and deviation", low=0.0, high=0.9999)
    samples: int = setting(
        1, "masks of every image in a step; in reinforce, above 1, the baseline is the mean of the image's other masks",
        low=1, high=16,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel is not None and self.kernel % 2 == 0:
            raise UsageError(f"kernel={self.kernel} is even, and would move the mask: take {self.kernel + 1}.")
        if self.grid > self.image_size:
            raise UsageError(
                f"grid={self.grid} is finer than image_size={self.image_size}: take no more cells than pixels."
            )
        if self.samples > 1 and self.objective in ("literal", "none"):
            raise UsageError(f"samples={self.samples} is not possible with objective={self.objective}: leave it out.")
        if self.objective == "literal" and self.sign == "adversarial":
            raise UsageError("sign=adversarial has no meaning in objective=literal, whose sign is the published one.")
        if self.objective == "literal" and self.grid == 1:
            raise UsageError("grid=1 makes the factor of objective=literal about 0: take grid=2 or more.")

    @property
    def has_policy(self) -> bool:
        """Whether masks come from a network."""
        return self.objective in ("literal", "reinforce", "rsample")

    @property
    def has_masks(self) -> bool:
        """Whether a stage trains under masks."""
        return self.objective != "none"

    @property
    def heat_epochs(self) -> int:
        """Epochs under masks."""
        if not self.has_masks:
            return 0
        return min(max(1, round(self.heat_share * self.epochs)), max(1, self.epochs - 1))

    @property
    def blur_width(self) -> int:
        """Width of the blur's kernel in pixels, odd."""
        return self.kernel if self.kernel is not None else 2 * math.ceil(2 * self.sigma) + 1


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """Where noise_mask's images and classes come from."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic", "folder")
    SPLITTING: ClassVar[tuple[str, ...]] = ("val_share", "test_share", "split_seed", "train_per_class")

    val_share: float = setting(
        0.2, "folder without val: share of the images that become validation", low=0.02, high=0.5
    )
    test_share: float = setting(
        0.2, "folder without test: share of the images that become the test split", low=0.02, high=0.5
    )
    split_seed: int = setting(
        0, "seed of a split that the folder does not make, and of synthetic images", low=0, high=LARGEST_SEED
    )
    train_per_class: int | None = setting(
        None, "training images of every class that are used, chosen by split_seed; none: all", low=1
    )
    train_size: int = setting(480, "synthetic training images", low=12)
    val_size: int = setting(240, "synthetic validation images, and as many test ones", low=12)
    cue: float = setting(
        0.9, "synthetic: share of the training images whose bright corner tells the class", low=0.0, high=1.0
    )
    cue_flipped: float = setting(
        0.5, "synthetic: that share in validation and test; by chance alone it would be a third", low=0.0, high=1.0
    )
