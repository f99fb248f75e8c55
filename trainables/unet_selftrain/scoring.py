"""From the predictions of a split to the metrics that a trial reports: particles first, then pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainables.images.maxima import Picks
from trainables.unet_selftrain import matching
from trainables.unet_selftrain.histogram import ScoreHistogram, mean_dice


@dataclass(frozen=True)
class Prediction:
    """A micrograph's picks beside its particles, before any threshold.

    Attributes:
        picks: in pixels of the stored micrograph.
        truth: `[m, 2]`, likewise.
        group: the folder of the micrograph.
        histogram: of its pixels' probabilities, the particles' discs being true.
        radius: of a particle; a pick counts within it.
    """

    picks: Picks
    truth: np.ndarray
    group: str
    histogram: ScoreHistogram
    radius: float


class Thresholds(NamedTuple):
    """Thresholds that calibration micrographs choose.

    Attributes:
        particle: the score from which to pick, for the highest F1 of particles.
        pixel: the probability from which a pixel is positive, for the highest F1 of pixels.
    """

    particle: float
    pixel: float


def choose_thresholds(calibration: Sequence[Prediction]) -> Thresholds:
    """Choose thresholds on the predictions of calibration micrographs; others are scored."""
    hits = [matching.hits(prediction.picks, prediction.truth, prediction.radius) for prediction in calibration]
    scores = [prediction.picks.scores for prediction in calibration]
    particle = matching.choose_threshold(hits, scores, _count_particles(calibration))
    return Thresholds(particle, _total_histogram(calibration).choose_threshold())


def score(predictions: Sequence[Prediction], thresholds: Thresholds) -> dict[str, float]:
    """Score the predictions of a split; `docs/variants/unet_selftrain.md` explains the metrics.

    Args:
        predictions: of the micrographs.
        thresholds: chosen on other micrographs.
    """
    radius = predictions[0].radius
    picks, truth = [prediction.picks for prediction in predictions], [prediction.truth for prediction in predictions]
    at_threshold = matching.score_picks(picks, truth, radius, thresholds.particle)
    metrics = {
        "particle_ap": _average_precision(predictions, radius),
        "particle_ap_half_radius": _average_precision(predictions, radius / 2),
        "particle_precision": at_threshold.precision,
        "particle_recall": at_threshold.recall,
        "particle_f1": at_threshold.f1,
        "particle_threshold": thresholds.particle,
        "particles_picked": float(at_threshold.picks),
        "localisation_error_px": at_threshold.localisation_error,
    }
    return {**metrics, **_group_metrics(predictions, radius), **_pixel_metrics(predictions, thresholds.pixel)}


def _average_precision(predictions: Sequence[Prediction], radius: float) -> float:
    hits = [matching.hits(prediction.picks, prediction.truth, radius) for prediction in predictions]
    scores = [prediction.picks.scores for prediction in predictions]
    return matching.average_precision(hits, scores, _count_particles(predictions))


def _group_metrics(predictions: Sequence[Prediction], radius: float) -> dict[str, float]:
    """Average over folders (proteins), where there are several, so that a large one does not outweigh the others."""
    groups = [prediction.group for prediction in predictions]
    if len(set(groups)) < 2:
        return {}
    hits = [matching.hits(prediction.picks, prediction.truth, radius) for prediction in predictions]
    scores = [prediction.picks.scores for prediction in predictions]
    truths = [len(prediction.truth) for prediction in predictions]
    by_group = matching.average_precision_by_group(hits, scores, truths, groups)
    return {"particle_ap_by_folder": float(np.mean(list(by_group.values())))} if by_group else {}


def _pixel_metrics(predictions: Sequence[Prediction], threshold: float) -> dict[str, float]:
    total = _total_histogram(predictions)
    at_threshold = total.score(threshold)
    return {
        "pixel_auroc": total.auroc(),
        "pixel_ap": total.average_precision(),
        "pixel_precision": at_threshold.precision,
        "pixel_recall": at_threshold.recall,
        "pixel_f1": at_threshold.f1,
        "pixel_iou": at_threshold.iou,
        "pixel_dice": mean_dice([prediction.histogram for prediction in predictions], threshold),
    }


def _total_histogram(predictions: Sequence[Prediction]) -> ScoreHistogram:
    return sum((prediction.histogram for prediction in predictions), ScoreHistogram())


def _count_particles(predictions: Sequence[Prediction]) -> int:
    return sum(len(prediction.truth) for prediction in predictions)
