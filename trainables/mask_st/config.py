"""Settings of mask_st. The defaults are the published command's values in the recommended loss forms.

Source for the coefficients: the method's notes (20 epochs, batch 24, lr 1e-4, alpha 1, beta 0.5, gamma 5e-3,
delta 5e-4, keep ratio 0.1, volume lambda 5, temperature 0.7 → 0.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainables.base_config import DataConfig, NetworkField, TrainingConfig
from trainables.settings import LARGEST_SEED, LARGEST_SIDE, UsageError, format_value, setting

DEFAULT_STRIDE: Literal[8] = 8


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Hyperparameters of one mask_st training."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("backbone", "mask_kind", "mask_arch", "mask_stride")
    NETWORKS: ClassVar[tuple[NetworkField, ...]] = (
        NetworkField("backbone", builtin=("micro",), family="convnext", channels=1),
    )

    # images
    image_size: int = setting(224, "side of the square input in pixels", low=16, high=LARGEST_SIDE)
    augment: Literal["none", "light"] = setting(
        "none", "light: crop 0.8 to 1.0 of the area, rotation up to 7 degrees, on the device"
    )

    # classifier
    backbone: str = setting("convnext_base", "a timm convnext_* name, or micro (for small images on a CPU)")
    weights: str = setting(
        "none",
        "first weights: none, timm (needs the internet), or a file's path: safetensors or a state dict",
        path=True,
    )
    drop_path: float = setting(
        0.0, "stochastic depth of the full pass; keep and drop passes never use it", low=0.0, high=0.9
    )
    channels_last: bool = setting(True, "memory format of models and images")
    pos_weight_cap: float = setting(
        1.0, "weight of positives in BCE: negatives/positives per class, up to this; 1 is none", low=1.0
    )

    # mask
    mask_kind: Literal["straight_through", "deterministic", "random", "ppo", "none"] = setting(
        "straight_through", "where the mask comes from; none is the plain BCE baseline"
    )
    mask_arch: Literal["strided", "literal"] = setting("strided", "literal: the published two-conv, stride-1 network")
    mask_stride: Literal[1, 4, 8, 16] = setting(DEFAULT_STRIDE, "pixels per mask cell of the strided network")
    mask_lr_mult: float = setting(5.0, "the generator's learning rate, as a multiple of lr", low=0.0)
    keep_ratio: float = setting(
        0.1,
        "wanted share of kept pixels: of top-k, volume and the head's first bias",
        low=0.01,
        high=0.9,
    )
    noise: Literal["logistic", "none", "gumbel_literal"] = setting(
        "logistic", "noise on the logits in training; gumbel_literal is biased"
    )
    hard: bool = setting(True, "forward the binary mask, with the gradient of the soft one")
    project: bool = setting(True, "a hard mask keeps exactly the top keep_ratio of the cells, by rank")
    temperature: float = setting(0.7, "temperature at the start", low=0.01)
    temperature_min: float = setting(0.2, "temperature at the floor", low=0.01)
    floor_fraction: float = setting(1.0, "share of the run after which the floor is reached", low=0.01, high=1.0)
    temperature_decay: float | None = setting(
        None, "factor per epoch, instead of floor_fraction, as the notes say it", low=0.01, high=1.0
    )
    reference: Literal["mean", "blur"] = setting(
        "mean", "what fills masked-out pixels: the data set's mean, or the blurred image"
    )

    # losses
    alpha: float = setting(1.0, "weight of consistency", low=0.0)
    beta: float = setting(0.5, "weight of drop", low=0.0)
    gamma: float = setting(5e-3, "weight of sparsity", low=0.0)
    delta: float = setting(5e-4, "weight of total variation", low=0.0)
    volume_lambda: float = setting(5.0, "weight of volume", low=0.0)
    consistency_form: Literal["kl", "literal"] = setting(
        "kl", "kl: KL(full without gradient, keep); literal: mean |difference|"
    )
    drop_form: Literal["margin", "literal"] = setting(
        "margin", "margin: positives only, with drop_margin; literal: hinge over all"
    )
    drop_margin: float = setting(
        0.2, "by how much a positive's probability must fall on the drop image", low=0.0, high=1.0
    )
    area_form: Literal["expected", "literal"] = setting(
        "expected", "area terms of the cells' probabilities, or of the sampled mask in pixels"
    )
    volume_form: Literal["quadratic", "barrier", "literal"] = setting(
        "quadratic", "per image, squared or as KL; literal: of the batch mean"
    )
    weighting: Literal["static", "gradnorm"] = setting(
        "static", "gradnorm balances full, consistency and drop instead of alpha and beta"
    )
    gradnorm_alpha: float = setting(1.5, "GradNorm's restoring force", low=0.0)
    gradnorm_lr: float = setting(0.025, "GradNorm's learning rate of the weights", low=0.0)
    weight_floor: float = setting(1e-3, "smallest dynamic weight", low=0.0, high=1.0)
    bce_fraction: float = setting(0.1, "share of the run with the classification loss alone", low=0.0, high=1.0)
    ramp_fraction: float = setting(0.1, "share of the run over which the mask losses then rise", low=0.0, high=1.0)
    plain_repeats: int = setting(
        1,
        "mask_kind=none: passes over the images per epoch; 3 is as many forward passes as with masks",
        low=1,
        high=1000,
    )

    # mask_kind=ppo
    ppo_grid: int = setting(14, "side of the grid of Bernoulli actions", low=2, high=LARGEST_SIDE)
    ppo_clip: float = setting(0.2, "clip of the probability ratio", low=0.0)
    ppo_entropy: float = setting(0.01, "weight of the entropy bonus", low=0.0)
    ppo_updates: int = setting(2, "updates on each batch of actions", low=1, high=1000)
    ppo_baseline_decay: float = setting(0.9, "decay of the running reward baseline", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_temperatures(self)
        _check_sizes(self)
        if self.backbone == "micro" and (self.drop_path > 0 or self.weights != "none"):
            raise UsageError("backbone=micro has neither drop_path nor weights: take a timm convnext_* for those.")

    @property
    def mask_side(self) -> int:
        """The number of cells along the side of a mask."""
        if self.mask_kind == "ppo":
            return self.ppo_grid
        return self.image_size // (self.mask_stride if self.mask_arch == "strided" else 1)


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """Where mask_st's images, labels and boxes come from."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic", "nih")
    SPLITTING: ClassVar[tuple[str, ...]] = ("val_share", "split_seed")

    val_share: float = setting(
        0.2, "share of the patients of train_val that become validation (nih)", low=0.02, high=0.5
    )
    calibration_share: float = setting(0.5, "share of validation on which thresholds are chosen", low=0.1, high=0.9)
    split_seed: int = setting(0, "seed of the split by patient, and of the synthetic images", low=0, high=LARGEST_SEED)
    train_size: int = setting(768, "synthetic training images", low=8)
    val_size: int = setting(256, "synthetic validation images, and as many test images", low=8)


def _check_temperatures(config: Config) -> None:
    start, floor = format_value(config.temperature), format_value(config.temperature_min)
    if config.temperature_min > config.temperature:
        raise UsageError(f"temperature_min={floor} is above temperature={start}, from which it is reached: lower it.")
    if config.temperature_decay is not None and config.floor_fraction != 1.0:
        raise UsageError("temperature_decay and floor_fraction both say when the floor is reached: set one of them.")


def _check_sizes(config: Config) -> None:
    if config.mask_arch == "literal" and config.mask_stride != DEFAULT_STRIDE:
        raise UsageError(f"mask_arch=literal has stride 1: leave out mask_stride={config.mask_stride}.")
    stride = config.mask_stride if config.mask_arch == "strided" else 1
    if config.mask_kind not in ("none", "ppo") and config.image_size % stride:
        raise UsageError(f"image_size={config.image_size} is no multiple of mask_stride={stride}.")
    if config.mask_kind == "ppo" and config.ppo_grid > config.image_size:
        raise UsageError(f"ppo_grid={config.ppo_grid} is finer than image_size={config.image_size}.")
