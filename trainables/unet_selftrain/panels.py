"""Pictures of a few micrographs for people to look at: particles, probabilities, picks, and pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from trainables.images.sheets import grid, headed, rgb
from trainables.unet_selftrain import matching
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.scoring import Scored

COUNT = 4
SIDE = 440  # pixels of a picture's longer side
SHOWN = 3.0  # deviations of the micrograph from black to white
GREEN, RED, YELLOW, BLUE = (80, 220, 100), (235, 70, 60), (250, 210, 60), (90, 160, 255)
IGNORED_GREY = 96


def validation(
    micrographs: Micrographs, place: int, probabilities: np.ndarray, found: Scored, threshold: float
) -> list[np.ndarray]:
    """Three pictures of one micrograph, uint8 `[h, w, 3]` each: its particles, the probabilities, the picks."""
    picked = found.picks.points[found.picks.scores >= threshold]
    matches = matching.match(picked, found.truth, found.radius)
    hit, seen = np.isin(np.arange(len(picked)), matches.picked), np.isin(np.arange(len(found.truth)), matches.truths)
    image = _grey(micrographs, place)
    scale = image.shape[1] / micrographs.images[place].shape[1] / micrographs.downsample
    radius = found.radius * scale
    truth = _circles(image, [(found.truth * scale, GREEN)], radius)
    picks = [(picked[hit] * scale, GREEN), (picked[~hit] * scale, RED), (found.truth[~seen] * scale, YELLOW)]
    words = f"green: {hit.sum()} right   red: {(~hit).sum()} wrong   yellow: {(~seen).sum()} missed"
    return [
        headed(truth, f"{len(found.truth)} particles"),
        headed(_resized((probabilities * 255).round().astype(np.uint8)), "probability"),
        headed(_circles(image, picks, radius), f"picks from {threshold:.3f}   {words}"),
    ]


def pseudo_labels(micrographs: Micrographs, place: int, target: np.ndarray, iteration: int) -> np.ndarray:
    """What a training micrograph's pixels are taken for; known particles blue, hidden ones yellow."""
    shades = np.where(target < 0, IGNORED_GREY, np.where(target > 0, 255, 0)).astype(np.uint8)
    picture = _resized(shades, Image.Resampling.NEAREST)
    scale = picture.shape[1] / target.shape[1] / micrographs.downsample
    known, hidden = micrographs.known[place] * scale, micrographs.hidden[place] * scale
    drawn = _circles(picture, [(known, BLUE), (hidden, YELLOW)], micrographs.radius * scale)
    circles = "circles: blue known, yellow hidden" if len(hidden) else "circles: known"
    return headed(
        drawn, f"iteration {iteration}: white +, black -, grey ignored   {circles}   {micrographs.names[place]}"
    )


def sheet(pictures: Sequence[np.ndarray], title: str) -> np.ndarray:
    """Pictures side by side under a line of text, three in one row or four in two: uint8 `[H, W, 3]`."""
    return grid(pictures, title, 2 if len(pictures) == 4 else 3)


def _grey(micrographs: Micrographs, place: int) -> np.ndarray:
    shown = (micrographs.image(place) / SHOWN + 1) * 127.5
    return _resized(shown.clip(0, 255).astype(np.uint8))


def _resized(picture: np.ndarray, by: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """uint8 `[h, w, 3]` with `SIDE` as its longer side."""
    height, width = picture.shape
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return rgb(np.asarray(Image.fromarray(picture).resize(size, by)))


def _circles(
    picture: np.ndarray, groups: Sequence[tuple[np.ndarray, tuple[int, int, int]]], radius: float
) -> np.ndarray:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for centres, colour in groups:
        for x, y in centres.tolist():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)
    return np.asarray(image)
