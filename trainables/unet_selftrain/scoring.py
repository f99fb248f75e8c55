"""From probability maps of a split to the figures that a trial reports: particles first, then pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainables.unet_selftrain import matching, picking, pixels
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.picking import Picks
from trainables.unet_selftrain.targets import discs

FLOOR = 1e-3
"""Smoothed probabilities below it are no candidates. It bounds the length of lists on large micrographs, and lies far
below any cut; a network that is sure of nothing would have to be surer to be ranked there."""


@dataclass(frozen=True)
class Scored:
    """A micrograph's picks against its particles, without any threshold.

    Attributes:
        picks: in pixels of the stored micrograph.
        truth: `[m, 2]`, likewise.
        group: the folder that it is from.
        histogram: of its pixels' probabilities, the particles' discs being true.
        radius: of a particle; a pick counts within it.
    """

    picks: Picks
    truth: np.ndarray
    group: str
    histogram: pixels.ScoreHistogram
    radius: float


def scored(probabilities: np.ndarray, micrographs: Micrographs, place: int, config: Config) -> Scored:
    """One micrograph's probability map `[H, W]`, picked and put beside the truth."""
    truth = micrographs.truth(place)
    histogram = pixels.ScoreHistogram()
    inside = discs(probabilities.shape, micrographs.centres(truth), micrographs.radius / micrographs.downsample)
    histogram.add(probabilities, inside)
    picks = pick(probabilities, micrographs.radius / micrographs.downsample, config)
    stored = Picks(micrographs.stored(picks.points), picks.scores)
    return Scored(stored, truth, micrographs.groups[place], histogram, micrographs.radius)


def pick(probabilities: np.ndarray, radius: float, config: Config) -> Picks:
    """Particles of a probability map `[H, W]`, whatever their score; `radius` and picks are in its pixels."""
    smooth = picking.smoothed(probabilities, config.smoothing * radius)
    return picking.picks(smooth, config.nms_radius * radius, FLOOR)


def pick_threshold(calibration: Sequence[Scored]) -> float:
    """The score from which to pick, by F1 of particles on the calibration micrographs."""
    hits = [matching.hits(each.picks, each.truth, each.radius) for each in calibration]
    return matching.choose_threshold(hits, [each.picks.scores for each in calibration], _particles(calibration))


def figures(judged: Sequence[Scored], calibration: Sequence[Scored]) -> dict[str, float]:
    """All figures of some micrographs; what has a threshold gets that of the calibration micrographs, which are others.

    `docs/variants/unet_selftrain.md` says what each is.
    """
    threshold = pick_threshold(calibration)
    radius = judged[0].radius
    picked, truth = [each.picks for each in judged], [each.truth for each in judged]
    score = matching.score(picked, truth, radius, threshold)
    values = {
        "particle_ap": _average_precision(judged, radius),
        "particle_ap_half_radius": _average_precision(judged, radius / 2),
        "particle_precision": score.precision,
        "particle_recall": score.recall,
        "particle_f1": score.f1,
        "particle_threshold": threshold,
        "particles_picked": float(score.picked),
        "localisation_error_px": score.localisation_error,
    }
    return {**values, **_by_group(judged, radius), **_pixel_figures(judged, calibration)}


def _average_precision(judged: Sequence[Scored], radius: float) -> float:
    hits = [matching.hits(each.picks, each.truth, radius) for each in judged]
    return matching.average_precision(hits, [each.picks.scores for each in judged], _particles(judged))


def _by_group(judged: Sequence[Scored], radius: float) -> dict[str, float]:
    """The mean over folders (proteins), where there are several; a large one does not outweigh the others in it."""
    groups = [each.group for each in judged]
    if len(set(groups)) < 2:
        return {}
    hits = [matching.hits(each.picks, each.truth, radius) for each in judged]
    scores, truths = [each.picks.scores for each in judged], [len(each.truth) for each in judged]
    each_group = matching.average_precision_by_group(hits, scores, truths, groups)
    return {"particle_ap_by_folder": float(np.mean(list(each_group.values())))} if each_group else {}


def _pixel_figures(judged: Sequence[Scored], calibration: Sequence[Scored]) -> dict[str, float]:
    chosen = sum((each.histogram for each in calibration), pixels.ScoreHistogram()).choose_threshold()
    whole = sum((each.histogram for each in judged), pixels.ScoreHistogram())
    at = whole.at(chosen)
    return {
        "pixel_auroc": whole.auroc(),
        "pixel_ap": whole.average_precision(),
        "pixel_precision": at.precision,
        "pixel_recall": at.recall,
        "pixel_f1": at.f1,
        "pixel_iou": at.iou,
        "pixel_dice": pixels.pixel_dice([each.histogram for each in judged], chosen),
    }


def _particles(micrographs: Sequence[Scored]) -> int:
    return sum(len(each.truth) for each in micrographs)
