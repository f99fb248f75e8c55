"""From predictions to the figures that a trial reports: classification, what the mask does to it, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainables.mask_st.config import Config
from trainables.mask_st.examples import Examples
from trainables.mask_st.localisation import IOU_LEVELS, overlap, pointing_game
from trainables.measuring import multilabel

COLLAPSED = 0.01
SATURATED = 0.5


@dataclass(frozen=True)
class Predictions:
    """Of N images, without any noise.

    Attributes:
        full, keep, drop: probabilities `[N, K]`; keep and drop are None without masks.
        saliency: `[N, h, w]`, the probability of each cell to be kept.
        masks: bool `[N, h, w]`, the masks as deployed.
    """

    full: np.ndarray
    keep: np.ndarray | None = None
    drop: np.ndarray | None = None
    saliency: np.ndarray | None = None
    masks: np.ndarray | None = None


def figures(found: Predictions, examples: Examples, thresholds: np.ndarray, config: Config) -> dict[str, float]:
    """All figures that there are; those of the saliency maps as such only where a generator learnt them.

    Args:
        thresholds: of F1, `[K]`; it is scored on the rows that did not choose them.
    """
    values = _classification(found.full, examples, thresholds)
    values["health/coverage_error"] = 0.0
    if found.keep is None or found.drop is None or found.masks is None or found.saliency is None:
        return values
    values["auroc_keep"] = multilabel.auroc(examples.labels, found.keep).macro
    values["auroc_drop"] = multilabel.auroc(examples.labels, found.drop).macro
    values["sufficiency_gap"] = values["auroc_macro"] - values["auroc_keep"]
    values["necessity_gap"] = values["auroc_macro"] - values["auroc_drop"]
    values["coverage"] = float(found.masks.mean())
    if config.mask_kind != "random":
        values |= _map_figures(found.saliency)
        values |= _coverage_figures(found.saliency, found.masks, config)
    if any(len(boxes) for boxes in examples.boxes):
        values |= _localisation(found.saliency, found.masks, examples)
    return values


def _classification(scores: np.ndarray, examples: Examples, thresholds: np.ndarray) -> dict[str, float]:
    labels, judged = examples.labels, ~examples.calibration
    auroc = multilabel.auroc(labels, scores)
    return {
        "loss_full": _cross_entropy(labels, scores),
        "auroc_macro": auroc.macro,
        "auroc_micro": auroc.micro,
        "classes_scored": float(auroc.classes),
        "f1_macro": multilabel.f1(labels[judged], scores[judged], thresholds).macro,
    }


def _map_figures(saliency: np.ndarray) -> dict[str, float]:
    """The maps themselves, before any cut: projection cannot put these on target."""
    coverage = saliency.mean(axis=(1, 2))
    inside = np.clip(saliency, 1e-7, 1 - 1e-7)
    bits = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    vertical = np.abs(np.diff(saliency, axis=1)).mean(axis=(1, 2))
    horizontal = np.abs(np.diff(saliency, axis=2)).mean(axis=(1, 2))
    return {
        "coverage_expected": float(coverage.mean()),
        "coverage_std": float(coverage.std()),
        "mask_entropy_bits": float(bits.mean()),
        "mask_tv": float((vertical + horizontal).mean()),
        "mask_spread": float(saliency.std(axis=(1, 2)).mean()),
    }


def _coverage_figures(saliency: np.ndarray, masks: np.ndarray, config: Config) -> dict[str, float]:
    """How far from the wanted coverage, and the shares of empty and of full masks.

    Projection puts every deployed mask on target, so the maps are judged. Without it a map of 0.1 everywhere is on
    target and yet deploys an empty mask, so both are.
    """
    maps, deployed = saliency.mean(axis=(1, 2)), masks.mean(axis=(1, 2))
    judged = maps if config.project else deployed
    return {
        "health/coverage_error": max(abs(float(each.mean()) - config.keep_ratio) for each in (maps, judged)),
        "collapsed_share": float((judged < COLLAPSED).mean()),
        "saturated_share": float((judged > SATURATED).mean()),
    }


def _localisation(saliency: np.ndarray, masks: np.ndarray, examples: Examples) -> dict[str, float]:
    size = examples.images.shape[1]
    pointing = pointing_game(saliency, examples.boxes, size)
    overlaps = overlap(masks, examples.boxes, size)
    return {
        "pointing_game": pointing.hit_rate,
        "pointing_chance": pointing.chance,
        "iou": overlaps.iou,
        "iou_oracle": overlaps.oracle_iou,
        "iobb": overlaps.iobb,
        **{f"iou_at_{round(100 * level)}": share for level, share in zip(IOU_LEVELS, overlaps.accuracy, strict=True)},
    }


def _cross_entropy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean binary cross-entropy in nats."""
    inside = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-(labels * np.log(inside) + (1 - labels) * np.log(1 - inside)).mean())
