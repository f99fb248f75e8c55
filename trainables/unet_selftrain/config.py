"""Settings of unet_selftrain. The defaults are the published command's values.

Source for the defaults: the method's notes and the code behind them (100 supervised epochs and three iterations of 30,
batches of 128 tiles of 128 pixels, AdamW at 1e-3 with weight decay 1e-4, focal and Dice at 0.7 and 0.3, alpha 0.25,
gamma 2, thresholds 0.95 and 0.05 relaxed by 0.02 an iteration to no less than 0.80 and no more than 0.20).

Lengths that belong to particles are given as multiples of the particle's radius (`data.radius`, in pixels of the stored
micrograph), so that they hold at any `downsample`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainables.base_config import DataConfig, NetworkField, TrainingConfig
from trainables.settings import LARGEST_SEED, LARGEST_SIDE, UsageError, setting

PUBLISHED_RADIUS = 10.0
SYNTHETIC_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Hyperparameters of one unet_selftrain training."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("network", "base_features", "levels")
    NETWORKS: ClassVar[tuple[NetworkField, ...]] = (
        NetworkField("network", builtin=("plain",), features_only=True, channels=1),
    )

    epochs: int = setting(190, "full budget in epochs, of all stages together", low=1)
    batch_size: int = setting(128, "tiles per forward pass, over all processes", low=1, high=65536)
    lr: float = setting(1e-3, "peak learning rate of AdamW in the supervised stage", low=0.0)
    weight_decay: float = setting(1e-4, "AdamW's decoupled weight decay", low=0.0)

    # tiles
    downsample: int = setting(1, "micrographs are first averaged over squares of so many pixels", low=1, high=16)
    tile: int = setting(128, "side of a training tile in pixels, after downsampling", low=16, high=LARGEST_SIDE)
    tiles: int = setting(0, "random tiles per micrograph and epoch; 0: as many as would cover it once", low=0)
    augment: float = setting(
        0.5, "probability that a tile is turned, that it is flipped, and twice that it is warped", low=0.0, high=1.0
    )
    rotation: float = setting(15.0, "largest turn in degrees, to either side", low=0.0, high=180.0)

    # network
    network: str = setting("plain", "plain: the published U-Net; or a timm encoder's name, such as resnet34")
    base_features: int = setting(
        64, "channels of the plain network's first level; each level doubles them", low=1, high=1024
    )
    levels: int = setting(4, "how often the plain network halves the image", low=1, high=6)
    prior: float = setting(
        0.5,
        "probability of every pixel before training; 0.5 as published, 0.05 keeps Dice from calling all negative",
        low=1e-3,
        high=0.999,
    )
    weights: str = setting(
        "none",
        "of a timm encoder: none, timm (needs the internet), or a file's path: safetensors or a state dict",
        path=True,
    )

    # targets
    target: Literal["disc", "gaussian"] = setting("disc", "what a particle looks like in the target")
    target_scale: float = setting(
        1.0, "the disc's radius in particle radii; a Gaussian's deviation is half of it", low=0.1, high=1.5
    )

    # loss
    focal_weight: float = setting(0.7, "weight of focal; Dice has the rest", low=0.0, high=1.0)
    gamma: float = setting(2.0, "focal's exponent", low=0.0)
    balance: Literal["alpha", "pos_weight"] = setting(
        "alpha", "how positives are weighed in focal; one of the two, for each undoes the other"
    )
    alpha: float = setting(0.25, "balance=alpha: weight of positives; negatives have 1 - alpha", low=0.0, high=1.0)
    pos_weight: float = setting(1.0, "balance=pos_weight: weight of positives against negatives", low=0.0)
    dice_smooth: float = setting(1.0, "added above and below in Dice, in pixels", low=1e-6)

    # self-training
    iterations: int = setting(3, "rounds of self-training after the supervised stage; 0 is the control", low=0, high=20)
    supervised_share: float = setting(
        0.526,
        "share of the epochs in the supervised stage, the iterations sharing the rest; 0 needs init_from",
        low=0.0,
        high=1.0,
    )
    base_pos: float = setting(0.95, "above this probability a pixel becomes positive, at first", low=0.5, high=1.0)
    base_neg: float = setting(0.05, "below this probability a pixel becomes negative, at first", low=0.0, high=0.5)
    threshold_decay: float = setting(0.02, "by how much both thresholds relax per iteration", low=0.0, high=0.5)
    pos_floor: float = setting(0.80, "base_pos relaxes no further than this", low=0.5, high=1.0)
    neg_ceiling: float = setting(0.20, "base_neg relaxes no further than this", low=0.0, high=0.5)
    threshold_scale: Literal["probability", "calibrated"] = setting(
        "probability", "what thresholds apply to: the network's output, or that after Platt scaling on calibration data"
    )
    trust_negatives: Literal["none", "far", "all"] = setting(
        "none", "unlabelled pixels that stay negative: none, those far from any known particle, or all"
    )
    far: float = setting(2.0, "trust_negatives=far: distance from a known centre, in radii", low=1.0)
    min_component: float = setting(
        0.0, "smallest connected patch of new positives, as a share of the target disc's area", low=0.0, high=1.0
    )
    restart_weights: bool = setting(False, "every iteration begins from the first weights instead of the last ones")
    reset_optimizer: bool = setting(True, "every iteration begins with a fresh optimiser")
    retrain_lr: float = setting(
        1.0, "peak learning rate of an iteration, and of all stages with init_from, as a multiple of lr", low=0.0
    )

    # picking
    nms_radius: float = setting(1.0, "no two picks are closer than this, in radii", low=0.1)
    smoothing: float = setting(
        0.33, "deviation of the Gaussian that smooths probabilities before picking, in radii", low=0.0
    )
    inference_tile: int = setting(
        512, "largest side of a tile in inference, in pixels after downsampling", low=64, high=LARGEST_SIDE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "plain" and self.weights != "none":
            raise UsageError(f"network=plain has no pretrained weights: leave out weights={self.weights}.")
        _check_tile(self)
        _check_stages(self)


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """Source of unet_selftrain's micrographs and particle centres, and their splits."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic", "micrographs")
    SPLITTING: ClassVar[tuple[str, ...]] = ("split_by", "test_share", "val_share", "split_seed", "label_share")

    radius: float | None = setting(
        None,
        "radius of a particle in pixels of the stored micrographs; none: 10, as published, with a warning",
        low=1.0,
    )
    label_share: float | None = setting(
        None,
        "share of the training particles that training knows, the others only evaluate; none: 0.5 of synthetic ones, "
        "all real ones",
        low=0.0,
        high=1.0,
    )
    split_by: Literal["micrograph", "folder"] = setting(
        "micrograph", "what stays on one side of a split: a micrograph, or a folder below images/ (a protein)"
    )
    val_share: float = setting(
        0.25, "share of the micrographs, but for the test split, that become validation", low=0.02, high=0.5
    )
    test_share: float = setting(0.2, "share of the micrographs that become the test split", low=0.02, high=0.5)
    calibration_share: float = setting(
        0.35, "share of validation on which thresholds are chosen; the rest is scored", low=0.1, high=0.9
    )
    split_seed: int = setting(
        0, "seed of the split, of the hidden labels, and of synthetic micrographs", low=0, high=LARGEST_SEED
    )
    train_size: int = setting(32, "synthetic training micrographs", low=2)
    val_size: int = setting(24, "synthetic validation micrographs, and as many test ones", low=2)
    size: int = setting(256, "side of a synthetic micrograph in pixels", low=64, high=LARGEST_SIDE)

    @property
    def particle_radius(self) -> float:
        """Radius of a particle in pixels of the stored micrographs; the published one where none is given."""
        return PUBLISHED_RADIUS if self.radius is None else self.radius

    @property
    def known_share(self) -> float:
        """Share of the training particles that training knows; the source's own where none is given."""
        if self.label_share is not None:
            return self.label_share
        return SYNTHETIC_SHARE if self.source == "synthetic" else 1.0


def _check_tile(config: Config) -> None:
    multiple = 2**config.levels if config.network == "plain" else 32
    for name in ("tile", "inference_tile"):
        if getattr(config, name) % multiple:
            raise UsageError(f"{name}={getattr(config, name)} is no multiple of {multiple}, the network's stride.")


def _check_stages(config: Config) -> None:
    if config.iterations and config.supervised_share == 0 and config.init_from is None:
        raise UsageError(
            "supervised_share=0 begins with the pseudo-labels of a trained network: name it with init_from=EXPORT."
        )
    stages = config.iterations + (config.supervised_share > 0)
    if config.iterations and config.epochs < stages:
        raise UsageError(
            f"epochs={config.epochs} are too few for iterations={config.iterations}: give {stages} or more."
        )
