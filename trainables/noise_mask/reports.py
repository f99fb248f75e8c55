"""The keys of noise_mask's reports; those of a stage without masks are there all the same."""

from __future__ import annotations

from trainables.noise_mask.config import Config
from trainables.report_keys import gradient_keys

_KEYS = (
    "health/cells_at_ends", "health/mask_mean", "health/mask_std", "health/policy_entropy", "health/policy_shift",
    "raw/cross_entropy", "raw/policy", "raw/reward", "train/masked", "val/accuracy_balanced_heated",
    "val/accuracy_balanced_maskfree", "val/accuracy_balanced_maskon", "val/accuracy_maskfree", "val/accuracy_maskon",
    "val/classes", "val/ece_maskfree", "val/f1_macro_maskfree", "val/nll_maskfree",
)  # fmt: skip


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    return *_KEYS, *gradient_keys("classifier", *(["policy"] if config.has_policy else []))
