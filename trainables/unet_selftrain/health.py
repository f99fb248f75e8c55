"""Health of a self-training, judged from one epoch's report: the measured value, and what to change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.stages import stage_ends

MAX_IGNORED_SHARE = 0.95
MAX_FALL = 0.01  # of the average precision


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """List what is wrong in an epoch; in the supervised stage, only whether no particle is found."""
    checks = [_check_picks(report)]
    if report["train/iteration"] > 0:
        checks += [_check_pseudo_labels(report, config), _check_thresholds(report, config), _check_fall(report, config)]
    return [finding for check in checks for finding in check]


def _check_picks(report: Mapping[str, float]) -> Iterator[Finding]:
    if report["val/particle_ap"] == 0:
        yield Finding(
            "nothing found",
            "no pick lies within a radius of a particle (average precision 0): check data.radius and the centres, or "
            "raise lr or epochs.",
        )


def _check_pseudo_labels(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    highest, threshold = report["train/pseudo_highest"], report["train/pseudo_pos"]
    if report["train/new_components"] == 0 and highest > threshold:
        yield Finding(
            "no pseudo-labels",
            f"probabilities reach {highest:.2f} where {threshold:.2f} is the threshold, but no patch above it is as "
            f"large as min_component ({config.min_component:.3g}) wants: lower that.",
        )
    elif report["train/new_components"] == 0:
        scale = "" if config.threshold_scale == "calibrated" else ", or take threshold_scale=calibrated"
        yield Finding(
            "no pseudo-labels",
            f"no unlabelled pixel became positive: the threshold is {threshold:.2f} and the highest probability "
            f"{highest:.2f}; lower base_pos ({config.base_pos:.3g}){scale}.",
        )
    ignored_share = report["train/ignored_share"]
    if ignored_share > MAX_IGNORED_SHARE or report["train/negative_share"] == 0:
        yield Finding(
            "nearly all ignored",
            f"{ignored_share:.1%} of the pixels are neither positive nor negative and "
            f"{report['train/negative_share']:.1%} negative, so little is left to learn from: raise "
            f"base_neg ({config.base_neg:.3g}), or take trust_negatives=far.",
            fatal=report["train/negative_share"] == 0,  # then the best network calls everything a particle
        )


def _check_thresholds(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    if report["train/thresholds_too_close"]:
        yield Finding(
            "thresholds meet",
            f"relaxed by {config.threshold_decay:.3g} an iteration, the thresholds came closer than 0.2, and the lower "
            f"one was held at {report['train/pseudo_neg']:.2f}: lower threshold_decay or neg_ceiling "
            f"({config.neg_ceiling:.3g}), or raise pos_floor ({config.pos_floor:.3g}).",
        )


def _check_fall(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Check whether an iteration makes the network worse, in its second half: it may begin from first weights."""
    before, now = report["train/ap_before"], report["val/particle_ap"]
    ends = (0, *stage_ends(config))
    begin, end = next(stage for stage in itertools.pairwise(ends) if report["epoch"] <= stage[1])
    if 2 * report["epoch"] > begin + end and now < before - MAX_FALL:
        yield Finding(
            "self-training hurts",
            f"in iteration {report['train/iteration']:.0f} the average precision is {now:.4f}, and it was {before:.4f} "
            f"before: take fewer iterations, a higher base_pos ({config.base_pos:.3g}), or a "
            f"lower retrain_lr ({config.retrain_lr:.3g}).",
        )
