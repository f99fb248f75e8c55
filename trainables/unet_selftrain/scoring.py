"""From the predictions of a split to the metrics that a trial reports: particles first, then pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.unet_selftrain import matching
from trainables.unet_selftrain.histogram import ScoreHistogram, mean_dice
from trainables.unet_selftrain.judging import Prediction


def score(predictions: Sequence[Prediction], calibration: Sequence[Prediction]) -> dict[str, float]:
    """Score predictions; thresholds come from the calibration micrographs, which are others.

    `docs/variants/unet_selftrain.md` explains the metrics.
    """
    threshold, radius = pick_threshold(calibration), predictions[0].radius
    picks, truth = [prediction.picks for prediction in predictions], [prediction.truth for prediction in predictions]
    at_threshold = matching.score_picks(picks, truth, radius, threshold)
    metrics = {
        "particle_ap": _average_precision(predictions, radius),
        "particle_ap_half_radius": _average_precision(predictions, radius / 2),
        "particle_precision": at_threshold.precision,
        "particle_recall": at_threshold.recall,
        "particle_f1": at_threshold.f1,
        "particle_threshold": threshold,
        "particles_picked": float(at_threshold.picks),
        "localisation_error_px": at_threshold.localisation_error,
    }
    return {**metrics, **_group_metrics(predictions, radius), **_pixel_metrics(predictions, calibration)}


def pick_threshold(calibration: Sequence[Prediction]) -> float:
    """Choose the score from which to pick, by F1 of particles on the calibration micrographs."""
    hits = [matching.hits(prediction.picks, prediction.truth, prediction.radius) for prediction in calibration]
    scores = [prediction.picks.scores for prediction in calibration]
    return matching.choose_threshold(hits, scores, _count_particles(calibration))


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


def _pixel_metrics(predictions: Sequence[Prediction], calibration: Sequence[Prediction]) -> dict[str, float]:
    threshold = _total_histogram(calibration).choose_threshold()
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
