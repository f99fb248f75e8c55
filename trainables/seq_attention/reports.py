"""The keys of seq_attention's reports: the parts' gradients, the two losses, predictions and roll-outs."""

from __future__ import annotations

from trainables.report_keys import gradient_keys
from trainables.seq_attention.config import Config

_KEYS = (
    "health/done_missed", "raw/done", "raw/location", "val/count_bias", "val/count_error", "val/count_rmse",
    "val/count_score", "val/done_ap", "val/done_ap_border", "val/done_at_half", "val/done_brier", "val/done_f1",
    "val/done_not_wanted", "val/done_precision", "val/done_prevalence", "val/done_prevalence_border",
    "val/done_recall", "val/done_stops", "val/done_threshold", "val/hit", "val/hit_any", "val/hit_any_half_spacing",
    "val/hit_half_spacing", "val/order_gap", "val/pixel_error_mean_px", "val/pixel_error_median_px",
    "val/pixel_error_p90_px", "val/pixel_error_spacing", "val/prediction_spread", "val/rollout_duplicates",
    "val/rollout_empty", "val/rollout_endless", "val/rollout_f1", "val/rollout_precision", "val/rollout_recall",
    "val/rollout_threshold",
)  # fmt: skip


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    glimpses = ["glimpses"] if config.glimpses else []
    return *_KEYS, *gradient_keys("backbone", "neck", *glimpses, "location", "done")
