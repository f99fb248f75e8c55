"""Metrics of predictions: classification, what the mask does to it, and where the mask lies."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from trainables.mask_st.config import Config
from trainables.mask_st.localisation import IOU_LEVELS, overlap, pointing_game
from trainables.mask_st.split import Examples
from trainables.measuring import multilabel

COLLAPSED_COVERAGE = 0.01  # below it a mask is empty
SATURATED_COVERAGE = 0.5  # above it a mask is full
EPS = 1e-7  # probabilities stay this far from 0 and 1, so that their logarithms are finite


class Predictions(NamedTuple):
    """Predictions for N images, without training noise.

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

    def select(self, mask: np.ndarray) -> Predictions:
        """Return the predictions for some of the images, by bool `[N]`."""
        return self._replace(**{name: rows[mask] for name, rows in self._asdict().items() if rows is not None})


def choose_thresholds(calibration: Predictions, labels: np.ndarray) -> np.ndarray:
    """Choose for each class the threshold of the highest F1, `[K]`.

    Args:
        calibration: predictions for the calibration examples; others are scored.
        labels: of those, `[N, K]`.
    """
    return multilabel.choose_thresholds(labels, calibration.full)


def score(predictions: Predictions, examples: Examples, thresholds: np.ndarray, config: Config) -> dict[str, float]:
    """Compute all metrics of a split; those of the saliency maps as such only where a generator learnt them.

    Classes that training cannot teach are left out of the classification metrics.

    Args:
        predictions: for the examples.
        examples: of the split.
        thresholds: of F1, `[K]`; it is computed on the examples that did not choose them.
        config: of the training.
    """
    keep, drop, saliency, masks = predictions.keep, predictions.drop, predictions.saliency, predictions.masks
    select = partial(_select_classes, classes=examples.trainable_classes)
    labels = select(examples.labels)
    metrics = _score_classification(labels, select(predictions.full), ~examples.calibration, select(thresholds))
    metrics["health/coverage_error"] = 0.0
    if keep is None or drop is None or masks is None or saliency is None:
        return metrics
    metrics["auroc_keep"] = multilabel.auroc(labels, select(keep)).macro
    metrics["auroc_drop"] = multilabel.auroc(labels, select(drop)).macro
    metrics["sufficiency_gap"] = metrics["auroc_macro"] - metrics["auroc_keep"]
    metrics["necessity_gap"] = metrics["auroc_macro"] - metrics["auroc_drop"]
    metrics["coverage"] = float(masks.mean())
    if config.mask_kind != "random":
        metrics |= _score_maps(saliency)
        metrics |= _score_coverage(saliency, masks, config)
    if any(len(boxes) for boxes in examples.boxes):
        metrics |= _score_localisation(saliency, masks, examples)
    return metrics


def _select_classes(values: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Select some classes, bool `[K]`, of values `[…, K]`."""
    return values if classes is None else values.compress(classes, axis=-1)  # keeps the layout, and so every last bit


def _score_classification(
    labels: np.ndarray, scores: np.ndarray, rest: np.ndarray, thresholds: np.ndarray
) -> dict[str, float]:
    """Score probabilities `[N, K]`; F1 on the examples `rest`, bool `[N]`, that did not choose the thresholds."""
    auroc = multilabel.auroc(labels, scores)
    return {
        "loss_full": _cross_entropy(labels, scores),
        "auroc_macro": auroc.macro,
        "auroc_micro": auroc.micro,
        "classes_scored": float(auroc.classes),
        "f1_macro": multilabel.f1(labels[rest], scores[rest], thresholds).macro,
    }


def _score_maps(saliency: np.ndarray) -> dict[str, float]:
    """Measure the maps themselves, before they are binarised: projection cannot put these on target."""
    coverage = saliency.mean(axis=(1, 2))
    p = np.clip(saliency, EPS, 1 - EPS)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    vertical = np.abs(np.diff(saliency, axis=1)).mean(axis=(1, 2))
    horizontal = np.abs(np.diff(saliency, axis=2)).mean(axis=(1, 2))
    return {
        "coverage_expected": float(coverage.mean()),
        "coverage_std": float(coverage.std()),
        "mask_entropy_bits": float(bits.mean()),
        "mask_tv": float((vertical + horizontal).mean()),
        "mask_spread": float(saliency.std(axis=(1, 2)).mean()),
    }


def _score_coverage(saliency: np.ndarray, masks: np.ndarray, config: Config) -> dict[str, float]:
    """Measure the distance from the target coverage, and the shares of empty and of full masks.

    Projection puts every deployed mask on target, so the maps are measured. Without it a map of 0.1 everywhere is on
    target and yet deploys an empty mask, so both are.
    """
    map_coverage = saliency.mean(axis=(1, 2))
    coverage = map_coverage if config.project else masks.mean(axis=(1, 2))
    errors = [abs(float(shares.mean()) - config.keep_ratio) for shares in (map_coverage, coverage)]
    return {
        "health/coverage_error": max(errors),
        "collapsed_share": float((coverage < COLLAPSED_COVERAGE).mean()),
        "saturated_share": float((coverage > SATURATED_COVERAGE).mean()),
    }


def _score_localisation(saliency: np.ndarray, masks: np.ndarray, examples: Examples) -> dict[str, float]:
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
    """Average the binary cross-entropy, in nats."""
    p = np.clip(scores.astype(np.float64), EPS, 1 - EPS)
    return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())
