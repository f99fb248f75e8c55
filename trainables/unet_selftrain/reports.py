"""The keys of unet_selftrain's reports, the same in every stage."""

from __future__ import annotations

from trainables.unet_selftrain.config import Config

_KEYS = (
    "raw/dice", "raw/focal", "train/ap_before", "train/hidden_found", "train/hidden_recall", "train/ignored_share",
    "train/iteration", "train/negative_share", "train/new_components", "train/new_precision", "train/positive_share",
    "train/pseudo_highest", "train/pseudo_neg", "train/pseudo_pos", "train/thresholds_too_close",
    "val/localisation_error_px", "val/particle_ap", "val/particle_ap_half_radius", "val/particle_f1",
    "val/particle_precision", "val/particle_recall", "val/particle_threshold", "val/particles_picked", "val/pixel_ap",
    "val/pixel_auroc", "val/pixel_dice", "val/pixel_f1", "val/pixel_iou", "val/pixel_precision", "val/pixel_recall",
)  # fmt: skip


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    return _KEYS
