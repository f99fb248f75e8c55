"""What can be wrong with a mask training, judged from one epoch's report: what was measured, and what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.mask_st.config import Config

FLAT = 0.05  # of the deviation between cells that a decided mask has
DEAD = 1e-4
NO_GRADIENT = 1e-12


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """All that is wrong in an epoch; nothing while the classification loss is alone, for then the mask is untrained."""
    if config.mask_kind == "none" or report["epoch"] <= plain_epochs(config):
        return []
    found = [*_auxiliary(report), *_dynamic_weights(report, config)]
    if config.mask_kind == "random":
        return found
    return [*_coverage(report, config), *_flatness(report, config), *_signal(report, config), *found]


def plain_epochs(config: Config) -> int:
    """Epochs, begun ones included, in which the classification loss is alone."""
    return math.ceil(round(config.bce_fraction * config.epochs, 9))  # 0.07 · 100 is a little more than 7


def _coverage(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Whether most masks are empty or full; on a wanted coverage near such a limit, only if far from that too."""
    coverage, wanted = report["val/coverage_expected"], config.keep_ratio
    kept = f"the mask keeps {coverage:.2%} of the image on average where {wanted:.0%} are wanted"
    if report["val/collapsed_share"] > 0.5 and coverage < wanted / 4:
        yield Finding(
            "mask collapsed",
            f"{kept}, and nearly nothing of {report['val/collapsed_share']:.0%} of the images: raise volume_lambda "
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
    if report["val/saturated_share"] > 0.5 and coverage > min(2 * wanted, (1 + wanted) / 2):
        yield Finding(
            "mask saturated",
            f"{kept}, and more than half of {report['val/saturated_share']:.0%} of the images: raise volume_lambda "
            f"({config.volume_lambda:.3g}) or gamma, or lower alpha ({config.alpha:.3g}).",
            fatal=True,
        )


def _flatness(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    decided = math.sqrt(config.keep_ratio * (1 - config.keep_ratio))
    spread = report["val/mask_spread"]
    if spread < FLAT * decided:
        yield Finding(
            "mask flat",
            f"the cells' probabilities differ by {spread:.4f} in an image (a decided mask: {decided:.2f}), so which "
            f"are on top is arbitrary: lower delta, raise alpha, beta or mask_lr_mult ({config.mask_lr_mult:.3g}).",
        )


def _signal(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    signal = report["health/mask_signal"]
    if signal > NO_GRADIENT:
        return
    if config.mask_kind == "deterministic":
        why, fatal = "mask_kind=deterministic has none by construction; it is a control", False
    else:
        why, fatal = "check that alpha or beta is above 0; hard=false shows whether the sampling cuts it", True
    yield Finding(
        "generator without gradient",
        f"the classifier's gradient at the mask logits is {signal:.1e}, only the area terms move the mask: {why}.",
        fatal=fatal,
    )


def _auxiliary(report: Mapping[str, float]) -> Iterator[Finding]:
    """A loss near 0 is fine when its aim is met, and dead when it is not."""
    consistency, drop = report["raw/consistency"], report["raw/drop"]
    if consistency < DEAD and report["val/sufficiency_gap"] > 0.05:
        yield Finding(
            "consistency dead",
            f"raw/consistency is {consistency:.1e}, yet AUROC is {report['val/sufficiency_gap']:.2f} lower on the keep "
            "image: take consistency_form=kl.",
        )
    if drop < DEAD and report["val/necessity_gap"] < 0.02:
        yield Finding(
            "drop dead",
            f"raw/drop is {drop:.1e}, yet AUROC is only {report['val/necessity_gap']:.2f} lower on the drop image: "
            "take drop_form=margin, or raise drop_margin.",
        )


def _dynamic_weights(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    weights = {key.removeprefix("train/w_"): value for key, value in report.items() if key.startswith("train/w_")}
    dead = [f"{name} {value:.1e}" for name, value in weights.items() if value <= 2 * config.weight_floor]
    if dead:
        yield Finding(
            "dynamic weight at the floor",
            f"GradNorm has all but switched off {', '.join(dead)}: raise weight_floor ({config.weight_floor:.1e}), "
            f"lower gradnorm_alpha ({config.gradnorm_alpha:.3g}), or take weighting=static.",
        )
