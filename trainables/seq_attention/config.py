"""Settings of seq_attention. Defaults that do not depend on the network are those of the method's notes.

Source for the defaults: the notes (done weight 3, distance threshold 0.1, patience 5, gradients clipped to 1) and the
code behind them (384 px, dropout 0.1, reading order in rows of 50 px, markers of opacity 0.3, at most 50 objects). Its
learning rate of 5e-5 and batches of 6 belong to a language model of two billion weights, and are not taken over.

Inside the network, coordinates are normalised: the longer side of the image is −1 to 1, so that a length of 1 is half
of `image_size` pixels of the network's input, in x as in y. Everywhere else they are pixels of the image's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainables.base_config import DataConfig, NetworkField, TrainingConfig
from trainables.settings import LARGEST_SEED, LARGEST_SIDE, UsageError, setting

SMALL = "small"
"""The backbone that is the variant's own."""

SYNTHETIC_RADIUS = 5.0
PUBLISHED_RADIUS = 10.0


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Hyperparameters of one seq_attention training."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("backbone", "width", "head", "glimpses", "marker_channel")
    NETWORKS: ClassVar[tuple[NetworkField, ...]] = (NetworkField("backbone", builtin=(SMALL,), features_only=True),)

    epochs: int = setting(30, "full budget in epochs; every schedule is a function of it", low=1)
    batch_size: int = setting(16, "(image, k) pairs per forward pass, over all processes", low=1, high=65536)
    lr: float = setting(1e-3, "peak learning rate of AdamW", low=0.0)
    weight_decay: float = setting(1e-4, "AdamW's decoupled weight decay", low=0.0)
    patience: int = setting(5, "stop after this many epochs without a better objective; 0 never", low=0)

    # images
    image_size: int = setting(
        384, "side of the square that the image is fitted into, in pixels", low=32, high=LARGEST_SIDE
    )
    augment: Literal["none", "light"] = setting(
        "none", "light: flips, and brightness and contrast by up to a fifth; the order is that of the flipped image"
    )

    # the task
    order: Literal["reading", "left_right", "nearest"] = setting(
        "reading", "in which objects are marked: rows of data.row_height from the top, by x, or the nearest one first"
    )
    target: Literal["ordered", "nearest_unmarked"] = setting(
        "ordered", "which object is right: the next of the order, or the unmarked one that is nearest to the prediction"
    )

    # markers
    marker: Literal["disc", "ring", "gaussian"] = setting("disc", "what is drawn at a marked object")
    marker_radius: float = setting(
        0.03, "radius of a marker, or deviation of a Gaussian one, as a share of image_size", low=0.005, high=0.25
    )
    marker_alpha: float = setting(0.3, "opacity with which markers are drawn over the image", low=0.0, high=1.0)
    marker_channel: bool = setting(True, "show the network markers, and the last one, in channels of their own too")
    marker_jitter: float = setting(
        0.0,
        "deviation of marked points in training, as a share of image_size: a roll-out marks what it predicts",
        low=0.0,
    )

    # network
    backbone: str = setting(SMALL, "small (for a CPU), or a timm name that has feature maps, such as resnet18")
    weights: str = setting(
        "none",
        "of a timm backbone: none, timm (needs the internet), or a file's path: safetensors or a state dict",
        path=True,
    )
    width: int = setting(
        32, "channels of the fused feature map, and of the small backbone's first stage", low=8, high=4096
    )
    dropout: float = setting(0.1, "in the heads", low=0.0, high=0.9)
    head: Literal["regression", "heatmap"] = setting(
        "regression", "x and y from pooled features, or the mean of a heat map; heatmap_ce always has the heat map"
    )
    glimpses: int = setting(
        0, "steps of recurrent attention over the feature map before the heads; 0: none", low=0, high=64
    )

    # losses
    spatial_loss: Literal["literal", "huber_l1", "huber_axis", "huber_l2", "l1", "mse", "heatmap_ce"] = setting(
        "huber_axis", "literal, as published, jumps at tau, where its slope halves"
    )
    tau: float = setting(0.1, "distance, normalised, from which literal and huber_… are linear", low=1e-4, high=2.0)
    done_weight: float = setting(3.0, "weight of the done loss, against the location's 1", low=0.0)

    # sampling of (image, k)
    samples: int = setting(1, "pairs drawn of every image in an epoch", low=1, high=1000)
    sampling: Literal["mixed", "separate"] = setting(
        "mixed", "separate, as published: half of the pairs have k ∈ {N−1, N} and teach done, the others location alone"
    )
    done_balance: Literal["natural", "pos_weight", "share"] = setting(
        "share", "against how rare k = N is: nothing (one in N + 1), pos_weight, or a share p_done of the pairs"
    )
    p_done: float = setting(0.25, "done_balance=share: share of pairs with k = N", low=0.01, high=0.99)
    pos_weight: float = setting(10.0, "done_balance=pos_weight: weight of k = N in the done loss", low=1.0)
    hardness: float = setting(
        0.5, "share of the pairs with k < N that lie near the border (N−1, N−2, …); the others are uniform",
        low=0.0, high=1.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spatial_loss == "heatmap_ce":
            object.__setattr__(self, "head", "heatmap")
        if self.backbone == SMALL and self.weights != "none":
            raise UsageError(f"backbone=small has no pretrained weights: leave out weights={self.weights}.")
        if not self.marker_channel and self.marker_alpha == 0:
            raise UsageError("marker_channel=false and marker_alpha=0 hide what is marked: change one of them.")
        if self.image_size % 32:
            raise UsageError(f"image_size={self.image_size} is no multiple of 32, the network's stride.")


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """Where seq_attention's images and objects come from, and what counts as a hit."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic", "coco", "fsc147")
    SPLITTING: ClassVar[tuple[str, ...]] = ("categories", "min_objects", "max_objects", "test_share", "split_seed")

    categories: str | None = setting(None, "names of the categories that are objects, with commas; none: all")
    min_objects: int = setting(1, "images with fewer objects are left out", low=0)
    max_objects: int = setting(50, "images with more objects are left out", low=1)
    row_height: float = setting(50.0, "order=reading: height of a row in pixels of the image", low=1.0)
    hit_radius: float | None = setting(
        None, "a prediction this near to an object, in pixels of the image, is a hit; none: 5 of synthetic, 10 of real",
        low=0.5,
    )  # fmt: skip
    calibration_share: float = setting(
        0.35, "share of the validation images on which thresholds are chosen; the rest is scored", low=0.1, high=0.9
    )
    test_share: float = setting(
        0.5, "where there is no test split: share of the validation images that become it", low=0.02, high=0.9
    )
    split_seed: int = setting(
        0, "seed of calibration and test_share, and of synthetic images", low=0, high=LARGEST_SEED
    )
    rollout_images: int = setting(
        64, "images of a split that are counted object by object, evenly chosen; 0: all", low=0
    )
    train_size: int = setting(768, "synthetic training images", low=8)
    val_size: int = setting(64, "synthetic validation images, and as many test ones", low=8)
    size: int = setting(
        128, "height of a synthetic image in pixels; widths are 0.75 to 1.25 of it", low=64, high=LARGEST_SIDE
    )
    ambiguous: bool = setting(
        False, "synthetic objects lie along the borders of rows, so that a pixel decides on their order"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_objects > self.max_objects:
            raise UsageError(f"min_objects={self.min_objects} is above max_objects={self.max_objects}: lower it.")

    @property
    def radius(self) -> float:
        """The radius of a hit in pixels of the image: `hit_radius`, or the default of the source."""
        if self.hit_radius is not None:
            return self.hit_radius
        return SYNTHETIC_RADIUS if self.source == "synthetic" else PUBLISHED_RADIUS
