"""The keys of mask_st's reports: what each kind of mask trains, and what is measured of it."""

from __future__ import annotations

from trainables.mask_st.config import Config

_CLASSIFIER = (
    "health/coverage_error", "raw/full", "val/auroc_macro", "val/auroc_micro", "val/classes_scored", "val/f1_macro",
    "val/loss_full",
)  # fmt: skip
_MASK = (
    "raw/consistency", "raw/drop", "val/auroc_drop", "val/auroc_keep", "val/coverage", "val/iobb", "val/iou",
    "val/iou_at_10", "val/iou_at_30", "val/iou_at_50", "val/iou_oracle", "val/necessity_gap", "val/pointing_chance",
    "val/pointing_game", "val/sufficiency_gap",
)  # fmt: skip
_GENERATOR = (
    "health/mask_grad_norm", "health/mask_signal", "raw/sparsity", "raw/tv", "raw/volume", "train/temperature",
    "val/collapsed_share", "val/coverage_expected", "val/coverage_std", "val/mask_entropy_bits", "val/mask_spread",
    "val/mask_tv", "val/saturated_share",
)  # fmt: skip
_WEIGHTS = ("train/w_consistency", "train/w_drop", "train/w_full")


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    has_mask = config.mask_kind != "none"
    return (
        *_CLASSIFIER,
        *(_MASK if has_mask else ()),
        *(_GENERATOR if has_mask and config.mask_kind != "random" else ()),
        *(("raw/policy",) if config.mask_kind == "ppo" else ()),
        *((_WEIGHTS if has_mask else ("train/w_full",)) if config.weighting == "gradnorm" else ()),
    )
