"""What chance and a ridge regression on pixels reach on mask_st's validation split."""

from __future__ import annotations

import numpy as np

from trainables.baselines import CHANCE, average_draws
from trainables.images import pixel_ridge
from trainables.images.split import calibration_part
from trainables.mask_st import scoring
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.mask_st.split import Examples

RIDGE = "ridge on 32 × 32 pixels"

CLASSIFICATION = ("auroc_macro", "auroc_micro", "f1_macro")
LOCALISATION = ("pointing_game", "iou", "iobb", "iou_at_10", "iou_at_30", "iou_at_50")
_MASKED = {"auroc_keep": 0.5, "auroc_drop": 0.5, "sufficiency_gap": 0.0, "necessity_gap": 0.0}


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on validation."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    rows = {CHANCE: score_chance(config, train, val), RIDGE: score_ridge(config, train, val)}
    return {name: {f"val/{key}": value for key, value in row.items()} for name, row in rows.items()}


def score_chance(config: Config, train: Examples, val: Examples) -> dict[str, float]:
    """Score random probabilities, and random masks of the target coverage where images have boxes.

    The loss and `auroc_micro`, which compare classes with each other, are those of each class's share in training.
    """
    shares = scoring.Predictions(np.broadcast_to(train.labels.mean(axis=0), val.labels.shape))
    constant = _score(shares, config, val)

    def draw(generator: np.random.Generator) -> dict[str, float]:
        return {"f1_macro": _score(scoring.Predictions(generator.random(val.labels.shape)), config, val)["f1_macro"]}

    row = {"auroc_macro": 0.5, "auroc_micro": constant["auroc_micro"], "loss_full": constant["loss_full"]}
    row |= average_draws(draw)
    return row if config.mask_kind == "none" else {**row, **_MASKED, **_localise(config, val)}


def score_ridge(config: Config, train: Examples, val: Examples) -> dict[str, float]:
    """Score a ridge regression of each class on thumbnails; it has no mask, and its scores are no probabilities."""
    scores = pixel_ridge.predict_scores(train, train.labels, val, own_penalties=True)
    metrics = _score(scoring.Predictions(scores), config, val)
    return {name: metrics[name] for name in CLASSIFICATION}


def _localise(config: Config, val: Examples) -> dict[str, float]:
    """Score random maps, and their masks of the target coverage, on the images that have boxes; nothing without any."""
    examples_with_boxes = val.select(np.array([len(boxes) > 0 for boxes in val.boxes]))
    side, any_threshold = config.mask_side, np.zeros(len(val.classes))

    def draw(generator: np.random.Generator) -> dict[str, float]:
        saliency = generator.random((len(examples_with_boxes), side**2), dtype=np.float32)
        rank = side**2 - max(1, round(config.keep_ratio * side**2))
        masks = saliency >= np.partition(saliency, rank, axis=1)[:, rank, None]
        scores, shape = np.zeros(examples_with_boxes.labels.shape), (len(examples_with_boxes), side, side)
        predictions = scoring.Predictions(scores, scores, scores, saliency.reshape(shape), masks.reshape(shape))
        metrics = scoring.score(predictions, examples_with_boxes, any_threshold, config)
        return {name: metrics[name] for name in LOCALISATION}

    return average_draws(draw) if len(examples_with_boxes) else {}


def _score(predictions: scoring.Predictions, config: Config, val: Examples) -> dict[str, float]:
    """Score predictions for validation as those of a trial are: its calibration part chooses the thresholds."""
    part = calibration_part(val)
    thresholds = scoring.choose_thresholds(predictions.select(val.calibration), part.labels)
    return scoring.score(predictions, val, thresholds, config)
