"""Settings of entropy_reg. The defaults are DeepGaze III for free viewing, trained without the entropy term.

Source for the defaults: Kümmerer, Bethge and Wallis 2022, DeepGaze III (Journal of Vision 22(5):7), and the published
training on MIT1003 (Adam, batches of 4, learning rate 1e-3, images of 1024 × 768 pixels, features at half of that).
The entropy term, its N = 16 images and the intensities 0, ½ and 1 are those of the method's notes.

Points and lengths inside the network are pixels of the image as the network sees it, its longer side being
`image_size`; information is in bits per fixation throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainables.base_config import DataConfig, NetworkField, TrainingConfig
from trainables.settings import LARGEST_SEED, LARGEST_SIDE, UsageError, setting

CELL = 4
"""Pixels of the image along a side of a cell of the density; the finaliser works at a quarter of the image's size."""


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Hyperparameters of one entropy_reg training."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("backbone", "layers", "readout", "history")
    NETWORKS: ClassVar[tuple[NetworkField, ...]] = (NetworkField("backbone", builtin=("tiny",)),)

    epochs: int = setting(25, "full budget in epochs; every schedule is a function of it", low=1)
    batch_size: int = setting(4, "images per forward pass, over all processes; all of one shape", low=1, high=65536)
    lr: float = setting(1e-3, "peak learning rate of AdamW", low=0.0)
    weight_decay: float = setting(0.0, "AdamW's decoupled weight decay; published: none", low=0.0)
    clip_norm: float = setting(
        0.0, "gradients are clipped to this global norm; 0 leaves them alone: clipped, steps with the term count less",
        low=0.0,
    )  # fmt: skip
    warmup_epochs: float = setting(0.5, "epochs of linear warm-up before the cosine decay", low=0.0)

    # images and features
    image_size: int = setting(
        1024, "longer side of the images as the network sees them, in pixels", low=32, high=LARGEST_SIDE
    )
    shape: Literal["stretch", "keep"] = setting(
        "stretch", "stretch: every image to 4:3 or 3:4, as published; keep: its aspect ratio, to a sixteenth"
    )
    downsample: float = setting(2.0, "images are this many times smaller for the backbone", low=1.0, high=4.0)
    backbone: str = setting("densenet201", "frozen: a timm name, or tiny (random weights, for a CPU)")
    weights: str = setting(
        "none",
        "of a timm backbone: none, timm (needs the internet), or a file's path: safetensors or a state dict",
        path=True,
    )
    layers: str = setting("auto", "hooked modules of the backbone, with commas; auto: those published for densenet201")

    # network
    readout: Literal["8-16", "16-32"] = setting("8-16", "channels of the spatial priority network before its last one")
    history: Literal["none", "real"] = setting(
        "none", "real: the four fixations before, by the scanpath network; none: the spatial model"
    )
    spatial_share: float = setting(
        0.5, "history=real: share of the epochs before it is shown, as published; then two readout layers rest",
        low=0.0, high=0.9,
    )  # fmt: skip
    sigma: float = setting(8 / 256, "first deviation of the blur, as a share of the longer side", low=0.001, high=0.25)
    learn_sigma: bool = setting(True, "train the blur's deviation")
    centre_bias: Literal["kde", "uniform"] = setting(
        "kde", "kde: the training fixations' density is added, with a weight; uniform: the network has to do without"
    )
    centre_bias_weight: float = setting(1.0, "first weight of the centre bias's log-density", low=0.0, high=2.0)
    learn_centre_bias_weight: bool = setting(True, "train that weight")

    # regulariser
    regulariser: Literal["none", "entropy", "dropout"] = setting(
        "none", "entropy of the density on uniform images; dropout: training without centre bias at times; none"
    )
    lambda_eff: float = setting(
        0.1, "regulariser=entropy: weight per step, both terms in bits; every compute_every-th step has its multiple",
        low=0.0,
    )  # fmt: skip
    compute_every: int = setting(1, "regulariser=entropy: steps from one computation to the next, over epochs", low=1)
    n_uniform: int = setting(
        16, "regulariser=entropy: uniform images of each computation; grey3 has three without histories", low=1, high=64
    )
    uniform_kind: Literal["grey3", "grey", "rgb_random"] = setting(
        "rgb_random", "grey3: intensities 0, ½, 1, as in the notes; grey: any grey; rgb_random: any colour"
    )
    centre_bias_dropout: float = setting(
        0.2, "regulariser=dropout: share of the images of a step that are shown with a uniform centre bias",
        low=0.0, high=1.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone == "tiny" and self.weights != "none":
            raise UsageError(f"backbone=tiny has no pretrained weights: leave out weights={self.weights}.")
        if self.backbone not in ("tiny", "densenet201") and self.layers == "auto":
            raise UsageError(
                f"backbone={self.backbone} needs layers=NAME,NAME: modules whose maps are read, such as layer3,layer4."
            )
        if self.image_size % 16:
            raise UsageError(f"image_size={self.image_size} is no multiple of 16: take {self.image_size // 16 * 16}.")
        if self.regulariser == "dropout" and self.centre_bias == "uniform":
            raise UsageError(
                "regulariser=dropout leaves out the centre bias at times, and centre_bias=uniform has none."
            )

    @property
    def has_entropy_weight(self) -> bool:
        """Whether the entropy term has a weight."""
        return self.regulariser == "entropy" and self.lambda_eff > 0

    @property
    def spatial_epochs(self) -> int:
        """Epochs of the spatial model; from then on histories are shown."""
        if self.history == "none":
            return self.epochs
        return min(round(self.spatial_share * self.epochs), self.epochs - 1)


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """Where entropy_reg's images and fixations come from, and from what the metrics are computed."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic", "fixations", "mit1003", "pysaliency")
    SPLITTING: ClassVar[tuple[str, ...]] = ("folds", "fold", "split_seed")
    FOLDS: ClassVar[tuple[str, str] | None] = ("fold", "folds")

    folds: int = setting(10, "parts of the images; one is the test split, one validation", low=3)
    fold: int = setting(0, "the test split's part; the one before it is validation", low=0)
    split_seed: int = setting(0, "seed of the folds, and of synthetic images", low=0, high=LARGEST_SEED)
    first_fixation: Literal["auto", "scored", "history"] = setting(
        "auto", "history: a scanpath's first one, forced to the centre, is not scored; auto: so for mit1003"
    )
    scored_fixations: int = setting(
        0, "history=real: fixations of an image that are scored, evenly chosen; 0: all (each needs a density)", low=0
    )
    train_fixations: int = setting(
        8, "history=real: fixations drawn of every image in a training step", low=1, high=10000
    )
    degree: float = setting(
        35 / 1024, "one degree of visual angle as a share of the longer side; blur of the maps for CC, SIM and KL",
        low=0.001, high=0.5,
    )  # fmt: skip
    bandwidth: float | None = setting(
        None, "of the centre bias's kernel, as a share of width and height; none: the likeliest, leaving one image out",
        low=0.001, high=1.0,
    )  # fmt: skip
    uniform_share: float | None = setting(
        None, "of the centre bias: share of a uniform density; none: the likeliest", low=0.0, high=1.0
    )
    probes: int = setting(
        16, "held-out images without content of each kind on which the bias is measured", low=2, high=10000
    )
    features: Literal["cached", "live"] = setting(
        "cached", "features of the frozen backbone: computed once and shared; live: in every step, to compare"
    )
    crop: float = setting(
        1.0, "share of each side that is kept, in the corners in turn: below 1 a twin with another centre bias",
        low=0.3, high=1.0,
    )  # fmt: skip
    bias: Literal["centre", "none", "corner"] = setting(
        "centre", "synthetic centre bias of the viewers; none and corner make twins out of domain"
    )
    noise: float = setting(6.0, "deviation of the noise of synthetic images, in levels of 255", low=0.0, high=100.0)
    train_size: int = setting(160, "synthetic training images", low=8)
    val_size: int = setting(48, "synthetic validation images, and as many test ones", low=4)
    viewers: int = setting(12, "synthetic viewers of an image", low=1, high=10000)
    fixations: int = setting(8, "fixations of a synthetic viewer on an image", low=1, high=10000)
    saccade: float = setting(
        0.0, "deviation of a synthetic saccade, as a share of the longer side; 0: independent fixations",
        low=0.0, high=1.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold >= self.folds:
            raise UsageError(f"fold={self.fold} is not one of folds={self.folds}: take 0 to {self.folds - 1}.")

    @property
    def first_is_history(self) -> bool:
        """Whether the first fixation of a scanpath is for the history alone."""
        if self.first_fixation == "auto":
            return self.source == "mit1003"
        return self.first_fixation == "history"
