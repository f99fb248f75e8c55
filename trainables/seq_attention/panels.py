"""Panels of predictions and of roll-outs: the truth, what the network predicts, and how far apart they are.

All points are in pixels of the image's file; so are the errors that are written beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainables.images.sheets import arrange_grid, stack
from trainables.measuring.matching import match_in_order
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.drawing import BLUE, GREEN, PALE, RED, WHITE, YELLOW, Canvas, Colour, text_line
from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.pairs import Locator
from trainables.seq_attention.rollout import Rollout
from trainables.seq_attention.split import Scenes
from trainables.seq_attention.thresholds import Thresholds

COUNT = 4  # images
SMALL, MIDDLE, LARGE = 2, 6, 10  # radii of rings
GAP = 4  # pixels between pictures


def draw_panels(
    scenes: Scenes, rollouts: Sequence[Rollout], locate: Locator, thresholds: Thresholds, config: Config, data: Data
) -> dict[str, np.ndarray]:
    """Draw each image with half of its objects marked, with all of them marked, and with its roll-out.

    Args:
        scenes: images.
        rollouts: of all images, until `thresholds.rollout`.
        locate: predicts the next object in these images.
        thresholds: of the done signal.
        config: the order of the objects, and which of them is right.
        data: the height of rows, and the radius of a hit.

    Returns:
        Title → uint8 `[H, W, 3]`.
    """
    panels = {}
    for index, rollout in enumerate(rollouts):
        image, size, points = scenes.batch([index])[0], scenes.sizes[index], scenes.points[index]
        objects = points[sort_objects(points, config.order, data.row_height)]
        ks = [len(objects) // 2, len(objects)]
        predictions = locate([index, index], [objects[:k] for k in ks])
        pictures = [
            draw_prediction(
                image, size, objects[:k], sort_by_target(objects[k:], point, config), point, done, thresholds.done
            )
            for k, point, done in zip(ks, *predictions, strict=True)
        ]
        matches = match_in_order(rollout.points, points, data.radius)
        pictures.append(draw_rollout(image, size, points, rollout.points, matches))
        title = f"{scenes.names[index]}   blue: marked   green: next   red: predicted"
        panels[f"image_{index + 1}"] = arrange_grid(pictures, title, columns=3)
    return panels


def sort_by_target(remaining: np.ndarray, point: np.ndarray, config: Config) -> np.ndarray:
    """Sort unmarked objects `[n, 2]` so that the target of the predicted point comes first."""
    if config.target == "ordered":
        return remaining
    objects: np.ndarray = remaining[np.argsort(np.hypot(*(remaining - point).T), kind="stable")]
    return objects


def draw_prediction(
    image: np.ndarray,
    size: tuple[int, int],
    marks: np.ndarray,
    remaining: np.ndarray,
    point: np.ndarray,
    done: float,
    threshold: float,
) -> np.ndarray:
    """Draw one prediction, uint8 `[h, w, 3]`: marked objects blue, the next one green, the predicted point red.

    The other unmarked objects are pale dots. Above, the done signal, green if it is right and red if not.

    Args:
        image: uint8 `[S, S, 3]`, letterboxed.
        size: width and height of the image as stored.
        marks: `[k, 2]`, in their order.
        remaining: `[n − k, 2]`, the target first.
        point: `[2]`.
        done: the done signal.
        threshold: from which it counts as done.
    """
    canvas = Canvas(image, size)
    canvas.draw_rings(remaining[1:], PALE, SMALL)
    canvas.draw_rings(marks, BLUE, MIDDLE)
    if len(remaining):
        canvas.draw_path(np.stack([point, remaining[0]]), [YELLOW])
        canvas.draw_rings(remaining[:1], GREEN, LARGE, centre=True)
    canvas.draw_rings(point[None], RED, LARGE - 2, centre=True)
    if len(remaining):
        canvas.draw_label(error_text(point, remaining[0]), (point + remaining[0]) / 2, YELLOW)
    canvas.draw_numbers(marks, MIDDLE)
    is_done = len(remaining) == 0
    signal, truth = done_texts(done, threshold, is_done)
    is_right = (done >= threshold) == is_done
    return _add_text(canvas.picture(), [(signal, GREEN if is_right else RED), (truth, WHITE)])


def draw_rollout(
    image: np.ndarray, size: tuple[int, int], objects: np.ndarray, visits: np.ndarray, matches: np.ndarray
) -> np.ndarray:
    """Draw one roll-out, uint8 `[h, w, 3]`: visits with their numbers, green where one took an object, else red.

    Objects that no visit took are yellow; those that one took are pale dots, to show how far off the visit was.

    Args:
        image: uint8 `[S, S, 3]`, letterboxed.
        size: width and height of the image as stored.
        objects: `[n, 2]`.
        visits: `[m, 2]`, in their order.
        matches: int `[m]`, the index of the object that each visit took, or −1 (`matching.match_in_order`).
    """
    hits = matches >= 0
    colours = [GREEN if hit else RED for hit in hits]
    is_hit = np.isin(np.arange(len(objects)), matches)
    canvas = Canvas(image, size)
    canvas.draw_path(visits, colours[1:])
    canvas.draw_rings(objects[is_hit], PALE, SMALL)
    canvas.draw_rings(objects[~is_hit], YELLOW, LARGE)
    for point, hit in zip(visits, hits, strict=True):
        canvas.draw_rings(point[None], GREEN if hit else RED, MIDDLE if hit else MIDDLE + 2)
    canvas.draw_numbers(visits, MIDDLE + 2)
    return _add_text(canvas.picture(), [(count_text(len(visits), len(objects), int(hits.sum())), WHITE)])


def error_text(point: np.ndarray, truth: np.ndarray) -> str:
    """Write the distance of two points in pixels of the image."""
    return f"err={math.dist(point, truth):.0f}px"


def done_texts(done: float, threshold: float, truth: bool) -> tuple[str, str]:
    """Write the done signal, and whether all objects are marked."""
    return f"done predicted {done:.2f} ({'yes' if done >= threshold else 'no'})", f"true {int(truth)}"


def count_text(visits: int, objects: int, hits: int) -> str:
    """Write the result of a roll-out."""
    return f"counted {visits} of {objects}, {hits} right"


def _add_text(picture: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """Put a picture under words, with a black edge that keeps it apart from others."""
    return np.pad(stack([text_line(parts), picture]), [(0, GAP), (0, GAP), (0, 0)])
