"""What chance and a Laplacian of Gaussian reach on the micrographs on which unet_selftrain's trials are scored."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trainables.baselines import CHANCE, average_draws
from trainables.images.maxima import Picks, laplacian_of_gaussian
from trainables.images.split import calibration_part, scored_part
from trainables.progress import track
from trainables.settings import Notice
from trainables.unet_selftrain import matching, scoring
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split
from trainables.unet_selftrain.histogram import ScoreHistogram
from trainables.unet_selftrain.judging import pick_map
from trainables.unet_selftrain.scoring import Prediction
from trainables.unet_selftrain.split import Micrographs

LAPLACIAN = "Laplacian of Gaussian"

Picker = Callable[..., Picks]
"""From a micrograph's z-score `[H, W]`, the radius in its pixels, and numbers to tune: picks in its pixels."""

Grid = Mapping[str, Sequence[float]]
"""Numbers to tune, by name, with the values that are tried."""

GRID: Grid = {
    "sigma": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0),  # of particle radii; a disc's best is 1/√2
    "spacing": (0.7, 1.0, 1.3),
    "sign": (1.0, -1.0),  # dark or bright particles
}
MAX_TUNING_PIXELS = 8 * 512**2
"""Pixels of the training micrographs, evenly chosen, on which numbers are tuned at most."""

MAX_DRAWN_PIXELS = 20_000_000


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on the scored part of validation, with thresholds of its calibration part."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    calibration, evaluation = calibration_part(val), scored_part(val)
    tuning = select_for_tuning(train)
    numbers, _ = tune(laplacian_of_gaussian, GRID, tuning)
    rows = {
        CHANCE: score_chance(config, calibration, evaluation),
        LAPLACIAN: score_picker(laplacian_of_gaussian, numbers, calibration, evaluation),
    }
    return {name: {f"val/{key}": value for key, value in row.items()} for name, row in rows.items()}


def score_chance(config: Config, calibration: Micrographs, evaluation: Micrographs) -> dict[str, float]:
    """Score maps of random probabilities, from which picks are taken as from a network's.

    Their picks keep a distance from each other, and their number is what the calibration micrographs choose, so they
    score higher than points that are strewn at random.
    """
    pixels = sum(image.size for image in (*calibration.images, *evaluation.images))

    def draw(generator: np.random.Generator) -> dict[str, float]:
        parts = [
            [
                pick_map(generator.random(part.images[index].shape, dtype=np.float32), part, index, config)
                for index in range(len(part))
            ]
            for part in (calibration, evaluation)
        ]
        return scoring.score(parts[1], scoring.choose_thresholds(parts[0]))

    row = average_draws(draw, int(np.clip(MAX_DRAWN_PIXELS // pixels, 1, 10)))
    return {name: value for name, value in row.items() if name not in ("particle_threshold", "particles_picked")}


def select_for_tuning(train: Micrographs) -> Micrographs:
    """Select the training micrographs on which numbers are tuned, and tell where these are not all."""
    pixels = sum(image.size for image in train.images)
    count = max(1, min(len(train), len(train) * MAX_TUNING_PIXELS // pixels))
    with_particles = np.flatnonzero([len(points) > 0 for points in train.known_particles])
    selection = with_particles[np.linspace(0, len(with_particles) - 1, min(count, len(with_particles))).astype(int)]
    if count < len(train):
        warnings.warn(
            f"the {LAPLACIAN} is tuned on {len(selection)} of {len(train)} training micrographs.", Notice, stacklevel=2
        )
    return train.select(selection)


def tune(picker: Picker, grid: Grid, train: Micrographs) -> tuple[Mapping[str, float], float]:
    """Choose the numbers with the highest average precision on the known particles; return that, too."""
    choices = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    precisions = [
        _average_precision(pick(picker, train, choice), train.known_particles, train.radius)
        for choice in track(choices, "tuning a picker that has no network", "choice")
    ]
    best = int(np.argmax(precisions))
    return choices[best], precisions[best]


def score_picker(
    picker: Picker,
    numbers: Mapping[str, float],
    calibration: Micrographs,
    evaluation: Micrographs,
    threshold: float | None = None,
) -> dict[str, float]:
    """Score a picker by `scoring.score`, without pixels; the calibration micrographs choose the threshold.

    Args:
        picker: as tuned.
        numbers: that were tuned.
        calibration: micrographs that choose the score from which to pick.
        evaluation: micrographs that are scored.
        threshold: score from which to pick; None: the chosen one.
    """
    parts = [
        [
            Prediction(picks, part.particles(index), part.groups[index], ScoreHistogram(), part.radius)
            for index, picks in enumerate(pick(picker, part, numbers))
        ]
        for part in (calibration, evaluation)
    ]
    thresholds = scoring.choose_thresholds(parts[0])
    if threshold is not None:
        thresholds = thresholds._replace(particle=threshold)
    metrics = scoring.score(parts[1], thresholds)
    return {name: value for name, value in metrics.items() if not name.startswith("pixel_")}


def pick(picker: Picker, micrographs: Micrographs, numbers: Mapping[str, float]) -> list[Picks]:
    """Pick the particles of all micrographs, in pixels of the stored ones."""
    images = (micrographs.image(index) for index in range(len(micrographs)))
    picks = [picker(image, micrographs.pixel_radius, **numbers) for image in images]
    return [Picks(micrographs.restore_points(micrograph.points), micrograph.scores) for micrograph in picks]


def _average_precision(picks: Sequence[Picks], truth: Sequence[np.ndarray], radius: float) -> float:
    hits = [matching.hits(*pair, radius) for pair in zip(picks, truth, strict=True)]
    return matching.average_precision(hits, [micrograph.scores for micrograph in picks], sum(map(len, truth)))
