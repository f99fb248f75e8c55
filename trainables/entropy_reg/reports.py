"""The keys of entropy_reg's reports: the networks' gradients, the likelihood, and the bias without content."""

from __future__ import annotations

from trainables.entropy_reg.config import Config
from trainables.report_keys import gradient_keys

_BIAS = tuple(
    f"val/bias_information{kind}{form}_bits"
    for kind in ("", "_reflect", "_texture", "_scrambled")
    for form in ("", "_of_mean")
)
_KEYS = (
    "health/centre_bias_weight", "health/density_sum_error", "health/sigma", "raw/nll_bits", "val/auc", "val/cc",
    "val/centre_bias_log_likelihood_bits", "val/information_gain_bits", "val/kl_bits", "val/log_likelihood_bits",
    "val/nll_bits", "val/nss", "val/sim", *_BIAS,
)  # fmt: skip
_TERM = ("health/regulariser_share", "raw/entropy_bits")


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    scanpath = ["scanpath"] if config.history == "real" else []
    trains_weight = config.learn_centre_bias_weight and config.centre_bias == "kde"
    finaliser = ["finaliser"] if config.learn_sigma or trains_weight else []  # the loop leaves frozen parts out
    parts = gradient_keys("readout", *scanpath, "selection", *finaliser)
    return *_KEYS, *parts, *(_TERM if config.regulariser == "entropy" else ())
