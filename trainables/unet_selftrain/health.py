"""What can be wrong with a self-training, judged from one epoch's report: what was measured, and what to change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from trainables.contract import Finding
from trainables.unet_selftrain.config import Config, stage_ends

IGNORED = 0.95
FALL = 0.01


def findings(report: Mapping[str, float], config: Config) -> list[Finding]:
    """All that is wrong in an epoch; of the supervised stage, only whether anything is found."""
    found = [*_silence(report)]
    if report["train/iteration"] > 0:
        found += [*_pseudo_labels(report, config), *_thresholds(report, config), *_fall(report, config)]
    return found


def _silence(report: Mapping[str, float]) -> Iterator[Finding]:
    if report["val/particle_ap"] == 0:
        yield Finding(
            "nothing found",
            "no pick lies within a radius of a particle (average precision 0): check data.radius and the centres, or "
            "raise lr or epochs.",
        )


def _pseudo_labels(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    highest, cut, ignored = (report[f"train/{name}"] for name in ("pseudo_highest", "pseudo_pos", "ignored_share"))
    if report["train/new_components"] == 0 and highest > cut:
        yield Finding(
            "no pseudo-labels",
            f"probabilities reach {highest:.2f} where {cut:.2f} is the threshold, but no patch above it is as large as "
            f"min_component ({config.min_component:.3g}) wants: lower that.",
        )
    elif report["train/new_components"] == 0:
        scale = "" if config.threshold_scale == "calibrated" else ", or take threshold_scale=calibrated"
        yield Finding(
            "no pseudo-labels",
            f"no unlabelled pixel became positive: the threshold is {cut:.2f} and the highest probability "
            f"{highest:.2f}; lower base_pos ({config.base_pos:.3g}){scale}.",
        )
    if ignored > IGNORED or report["train/negative_share"] == 0:
        yield Finding(
            "nearly all ignored",
            f"{ignored:.1%} of the pixels are neither positive nor negative and {report['train/negative_share']:.1%} "
            "negative, so little is left to learn from: raise "
            f"base_neg ({config.base_neg:.3g}), or take trust_negatives=far.",
            fatal=report["train/negative_share"] == 0,  # then the best network calls everything a particle
        )


def _thresholds(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    if report["train/thresholds_too_close"]:
        yield Finding(
            "thresholds meet",
            f"relaxed by {config.threshold_decay:.3g} an iteration, the thresholds came closer than 0.2, and the lower "
            f"one was held at {report['train/pseudo_neg']:.2f}: lower threshold_decay or neg_ceiling "
            f"({config.neg_ceiling:.3g}), or raise pos_floor ({config.pos_floor:.3g}).",
        )


def _fall(report: Mapping[str, float], config: Config) -> Iterator[Finding]:
    """Whether an iteration makes the network worse; judged in its second half, for it may begin from first weights."""
    before, now = report["train/ap_before"], report["val/particle_ap"]
    ends = (0, *stage_ends(config))
    begin, end = next(stage for stage in itertools.pairwise(ends) if report["epoch"] <= stage[1])
    if 2 * report["epoch"] > begin + end and now < before - FALL:
        yield Finding(
            "self-training hurts",
            f"in iteration {report['train/iteration']:.0f} the average precision is {now:.4f}, and it was {before:.4f} "
            f"before: take fewer iterations, a higher base_pos ({config.base_pos:.3g}), or a "
            f"lower retrain_lr ({config.retrain_lr:.3g}).",
        )
