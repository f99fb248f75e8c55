"""Panels of a few micrographs for people to look at: particles, probabilities, picks, and pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from trainables.images.sheets import add_header, arrange_grid, to_rgb
from trainables.images.split import calibration_part, scored_part
from trainables.unet_selftrain import matching, scoring
from trainables.unet_selftrain.judging import Judge, pick_map
from trainables.unet_selftrain.split import Micrographs

COUNT = 4
SIDE = 440  # pixels of a part's longer side
MAX_Z = 3.0  # deviations of the micrograph from grey to black and to white
GREEN, RED, YELLOW, BLUE = (80, 220, 100), (235, 70, 60), (250, 210, 60), (90, 160, 255)
IGNORED_GREY = 96


def draw_panels(judge: Judge, val: Micrographs, stage: str) -> dict[str, np.ndarray]:
    """Draw a panel for each of a few scored micrographs of validation, uint8 `[H, W, 3]`."""
    part, threshold = scored_part(val), _pick_threshold(judge, val)
    return {
        f"micrograph_{index + 1}": _arrange(_draw_micrograph(judge, part, index, threshold), part, index, stage)
        for index in range(len(part.names[:COUNT]))
    }


def draw_stage_panel(judge: Judge, val: Micrographs, stage: str, extra: Sequence[np.ndarray]) -> np.ndarray:
    """Draw the first scored micrograph of validation, with extra parts beside it: uint8 `[H, W, 3]`."""
    part = scored_part(val)
    return _arrange([*_draw_micrograph(judge, part, 0, _pick_threshold(judge, val)), *extra], part, 0, stage)


def draw_pseudo_labels(micrographs: Micrographs, index: int, target: np.ndarray, iteration: int) -> np.ndarray:
    """Draw a training micrograph's target; known particles blue, hidden ones yellow: uint8 `[h, w, 3]`."""
    shades = np.where(target < 0, IGNORED_GREY, np.where(target > 0, 255, 0)).astype(np.uint8)
    background = _resize(shades, Image.Resampling.NEAREST)
    scale = background.shape[1] / target.shape[1] / micrographs.downsample
    blue, yellow = micrographs.known_particles[index] * scale, micrographs.hidden_particles[index] * scale
    part = _draw_circles(background, [(blue, BLUE), (yellow, YELLOW)], micrographs.radius * scale)
    circles = "circles: blue known, yellow hidden" if len(yellow) else "circles: known"
    return add_header(
        part, f"iteration {iteration}: white +, black -, grey ignored   {circles}   {micrographs.names[index]}"
    )


def _pick_threshold(judge: Judge, val: Micrographs) -> float:
    """Choose the score from which to pick."""
    return scoring.choose_thresholds(judge.predict(calibration_part(val))).particle


def _draw_micrograph(judge: Judge, micrographs: Micrographs, index: int, threshold: float) -> list[np.ndarray]:
    """Draw one micrograph three times, uint8 `[h, w, 3]`: its particles, the probabilities, the picks."""
    probabilities = judge.predict_map(micrographs, index)
    prediction = pick_map(probabilities, micrographs, index, judge.config)
    particles = prediction.truth
    points = prediction.picks.points[prediction.picks.scores >= threshold]
    matches = matching.match(points, particles, prediction.radius)
    is_hit, has_pick = (
        np.isin(np.arange(len(points)), matches.picks),
        np.isin(np.arange(len(particles)), matches.truths),
    )
    image = _draw_grey(micrographs, index)
    scale = image.shape[1] / micrographs.images[index].shape[1] / micrographs.downsample
    radius = prediction.radius * scale
    truth = _draw_circles(image, [(particles * scale, GREEN)], radius)
    circles = [(points[is_hit] * scale, GREEN), (points[~is_hit] * scale, RED), (particles[~has_pick] * scale, YELLOW)]
    words = f"green: {is_hit.sum()} right   red: {(~is_hit).sum()} wrong   yellow: {(~has_pick).sum()} missed"
    return [
        add_header(truth, f"{len(particles)} particles"),
        add_header(_resize((probabilities * 255).round().astype(np.uint8)), "probability"),
        add_header(_draw_circles(image, circles, radius), f"picks from {threshold:.3f}   {words}"),
    ]


def _arrange(parts: Sequence[np.ndarray], micrographs: Micrographs, index: int, stage: str) -> np.ndarray:
    """Arrange parts under a title, three in one row or four in two: uint8 `[H, W, 3]`."""
    return arrange_grid(parts, f"{micrographs.names[index]}   {stage}", 2 if len(parts) == 4 else 3)


def _draw_grey(micrographs: Micrographs, index: int) -> np.ndarray:
    shades = (micrographs.image(index) / MAX_Z + 1) * 127.5
    return _resize(shades.clip(0, 255).astype(np.uint8))


def _resize(image: np.ndarray, method: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """Resize to `SIDE` pixels on the longer side: uint8 `[h, w, 3]`."""
    height, width = image.shape
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return to_rgb(np.asarray(Image.fromarray(image).resize(size, method)))


def _draw_circles(
    background: np.ndarray, groups: Sequence[tuple[np.ndarray, tuple[int, int, int]]], radius: float
) -> np.ndarray:
    image = Image.fromarray(background)
    draw = ImageDraw.Draw(image)
    for centres, colour in groups:
        for x, y in centres.tolist():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)
    return np.asarray(image)
