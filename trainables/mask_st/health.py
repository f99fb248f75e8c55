"""Health of a mask training by the report of one epoch: every finding says what was measured and what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.mask_st.config import Config

FLAT_SPREAD = 0.05  # share of the deviation between cells that a map of only 0 and 1 has
DEAD_LOSS = 1e-4
ZERO_GRADIENT = 1e-12


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """Find all that is wrong in an epoch; nothing during classification alone, when the mask is still untrained."""
    if config.mask_kind == "none" or report["epoch"] <= plain_epochs(config):
        return []
    loss_findings = [*_check_dead_losses(report), *_check_dynamic_weights(report, config)]
    if config.mask_kind == "random":
        return loss_findings
    checks = (_check_coverage, _check_flatness, _check_signal)
    return [*(finding for check in checks for finding in check(report, config)), *loss_findings]


def plain_epochs(config: Config) -> int:
    """Count the epochs with the classification loss alone; an epoch that is so in part counts."""
    return math.ceil(round(config.bce_fraction * config.epochs, 9))  # 0.07 · 100 is a little more than 7


def _check_coverage(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Check whether most masks are empty or full; with a target near such a limit, only if far from that too."""
    coverage, target = report["val/coverage_expected"], config.keep_ratio
    summary = f"the mask keeps {coverage:.2%} of the image on average where {target:.0%} are wanted"
    if report["val/collapsed_share"] > 0.5 and coverage < target / 4:
        yield Finding(
            "mask collapsed",
            f"{summary}, and nearly nothing of {report['val/collapsed_share']:.0%} of the images: raise volume_lambda "
            f"({config.volume_lambda:.3g}), or take volume_form=barrier, which still pulls at 0; lower delta.",
            fatal=True,
        )
    elif report["val/collapsed_share"] > 0.5 and not config.project:
        yield Finding(
            "deployed mask empty",
            f"cells are kept with a probability of {coverage:.2f} on average, but in "
            f"{report['val/collapsed_share']:.0%} of the images hardly one reaches 0.5: raise mask_lr_mult "
            f"({config.mask_lr_mult:.3g}), or take project=true, which keeps the highest.",
        )
    if report["val/saturated_share"] > 0.5 and coverage > min(2 * target, (1 + target) / 2):
        yield Finding(
            "mask saturated",
            f"{summary}, and more than half of {report['val/saturated_share']:.0%} of the images: raise volume_lambda "
            f"({config.volume_lambda:.3g}) or gamma, or lower alpha ({config.alpha:.3g}).",
            fatal=True,
        )


def _check_flatness(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    # A map of only 0 and 1 with mean keep_ratio has the deviation of a Bernoulli variable.
    max_spread = math.sqrt(config.keep_ratio * (1 - config.keep_ratio))
    spread = report["val/mask_spread"]
    if spread < FLAT_SPREAD * max_spread:
        yield Finding(
            "mask flat",
            f"the cells' probabilities differ by {spread:.4f} in an image (a decided mask: {max_spread:.2f}), so which "
            f"are on top is arbitrary: lower delta, raise alpha, beta or mask_lr_mult ({config.mask_lr_mult:.3g}).",
        )


def _check_signal(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    signal = report["health/mask_signal"]
    if signal > ZERO_GRADIENT:
        return
    if config.mask_kind == "deterministic":
        remedy, fatal = "mask_kind=deterministic has none by construction; it is a control", False
    else:
        remedy, fatal = "check that alpha or beta is above 0; hard=false shows whether the sampling cuts it", True
    yield Finding(
        "generator without gradient",
        f"the classifier's gradient at the mask logits is {signal:.1e}, only the area terms move the mask: {remedy}.",
        fatal=fatal,
    )


def _check_dead_losses(report: Mapping[str, float]) -> Iterator[Finding]:
    """Find losses that are near 0 although their aim is not met."""
    consistency, drop = report["raw/consistency"], report["raw/drop"]
    if consistency < DEAD_LOSS and report["val/sufficiency_gap"] > 0.05:
        yield Finding(
            "consistency dead",
            f"raw/consistency is {consistency:.1e}, yet AUROC is {report['val/sufficiency_gap']:.2f} lower on the keep "
            "image: take consistency_form=kl.",
        )
    if drop < DEAD_LOSS and report["val/necessity_gap"] < 0.02:
        yield Finding(
            "drop dead",
            f"raw/drop is {drop:.1e}, yet AUROC is only {report['val/necessity_gap']:.2f} lower on the drop image: "
            "take drop_form=margin, or raise drop_margin.",
        )


def _check_dynamic_weights(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    weights = {key.removeprefix("train/w_"): value for key, value in report.items() if key.startswith("train/w_")}
    at_floor = [f"{name} {value:.1e}" for name, value in weights.items() if value <= 2 * config.weight_floor]
    if at_floor:
        yield Finding(
            "dynamic weight at the floor",
            f"GradNorm has all but switched off {', '.join(at_floor)}: raise weight_floor ({config.weight_floor:.1e}), "
            f"lower gradnorm_alpha ({config.gradnorm_alpha:.3g}), or take weighting=static.",
        )
