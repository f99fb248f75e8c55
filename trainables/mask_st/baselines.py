"""What chance and a ridge regression on pixels reach on mask_st's validation split."""

from __future__ import annotations

import numpy as np

from trainables.baselines import CHANCE
from trainables.images import pixel_ridge
from trainables.images.split import calibration_part
from trainables.mask_st import scoring
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.mask_st.masks import mask_side
from trainables.mask_st.split import Examples
from trainables.measuring.draws import average_draws

RIDGE = "ridge on 32 × 32 pixels"

CLASSIFICATION = ("auroc_macro", "auroc_micro", "f1_macro")
MASKED = ("auroc_keep", "auroc_drop", "sufficiency_gap", "necessity_gap")
LOCALISATION = ("pointing_game", "iou", "iobb", "iou_at_10", "iou_at_30", "iou_at_50")
_EXACT = {
    "auroc_macro": 0.5,
    "auroc_keep": 0.5,
    "auroc_drop": 0.5,
    "sufficiency_gap": 0.0,
    "necessity_gap": 0.0,
}


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on validation."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    rows = {CHANCE: score_chance(config, train, val), RIDGE: score_ridge(config, train, val)}
    return {name: {f"val/{key}": value for key, value in row.items()} for name, row in rows.items()}


def score_chance(config: Config, train: Examples, val: Examples) -> dict[str, float]:
    """Score random probabilities and random masks of the target coverage.

    The loss and `auroc_micro`, which compare classes with each other, are those of each class's share in training.
    """

    def draw(generator: np.random.Generator) -> dict[str, float]:
        return _score(_draw_predictions(config, val, generator), config, val)

    shares = scoring.Predictions(np.broadcast_to(train.labels.mean(axis=0), val.labels.shape))
    constant, row = _score(shares, config, val), average_draws(draw)
    names = [name for name in (*CLASSIFICATION, *MASKED, *LOCALISATION) if name in row]
    exact = {**_EXACT, **{name: constant[name] for name in ("loss_full", "auroc_micro")}}
    return {**{name: row[name] for name in names}, **{name: exact[name] for name in exact if name in row}}


def score_ridge(config: Config, train: Examples, val: Examples) -> dict[str, float]:
    """Score a ridge regression of each class on thumbnails; it has no mask, and its scores are no probabilities."""
    scores = pixel_ridge.predict_scores(train, train.labels, val, own_penalties=True)
    metrics = _score(scoring.Predictions(scores), config, val)
    return {name: metrics[name] for name in CLASSIFICATION}


def _draw_predictions(config: Config, val: Examples, generator: np.random.Generator) -> scoring.Predictions:
    full, keep, drop = generator.random((3, *val.labels.shape))
    if config.mask_kind == "none":
        return scoring.Predictions(full)
    cells = mask_side(config) ** 2
    saliency = generator.random((len(val), cells))
    rank = cells - max(1, round(config.keep_ratio * cells))
    masks = saliency >= np.partition(saliency, rank, axis=1)[:, rank, None]
    shape = (len(val), mask_side(config), mask_side(config))
    return scoring.Predictions(full, keep, drop, saliency.reshape(shape), masks.reshape(shape))


def _score(predictions: scoring.Predictions, config: Config, val: Examples) -> dict[str, float]:
    """Score predictions for validation as those of a trial are: its calibration part chooses the thresholds."""
    part = calibration_part(val)
    thresholds = scoring.choose_thresholds(predictions.select(val.calibration), part.labels)
    return scoring.score(predictions, val, thresholds, config)
