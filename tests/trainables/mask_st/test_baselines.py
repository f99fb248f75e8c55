"""Chance and ridge on mask_st's images: exact levels against simulations, and masks only where there are any."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from trainables.images import pixel_ridge
from trainables.mask_st import baselines
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split

CONFIG = Config(image_size=32, backbone="micro", batch_size=8, keep_ratio=0.25)
DATA = Data(train_size=80, val_size=60)


@pytest.fixture(scope="module")
def chance():
    return baselines.compute(CONFIG, DATA)["chance"]


def test_levels_that_are_given_as_exact_are_those_of_a_simulation(chance):
    train, val = load_split(CONFIG, DATA, "train"), load_split(CONFIG, DATA, "val")
    rng = np.random.default_rng(3)
    areas = [roc_auc_score(val.labels, rng.random(val.labels.shape), average="macro") for _ in range(300)]
    assert chance["val/auroc_macro"] == pytest.approx(np.mean(areas), abs=0.02)
    shares = np.broadcast_to(train.labels.mean(axis=0), val.labels.shape)
    assert chance["val/auroc_micro"] == pytest.approx(roc_auc_score(val.labels.ravel(), shares.ravel()))
    losses = [log_loss(val.labels[:, column], shares[:, column], labels=[0, 1]) for column in range(shares.shape[1])]
    assert chance["val/loss_full"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_random_masks_have_the_target_coverage_so_half_of_a_box_s_share_is_theirs(chance):
    val = load_split(CONFIG, DATA, "val")
    size = val.images.shape[1]
    box_share = np.mean(
        [np.prod((boxes[:, 2:] - boxes[:, :2]) / size, axis=1).sum() for boxes in val.boxes if len(boxes)]
    )
    assert chance["val/iobb"] == pytest.approx(box_share, rel=0.25)  # of a random mask, the share of the boxes' area
    assert 0 < chance["val/iou"] < chance["val/iobb"]


def test_a_training_without_masks_has_no_metrics_of_masks():
    row = baselines.compute(Config(image_size=32, mask_kind="none", weighting="static"), DATA)["chance"]
    assert not [key for key in row if "keep" in key or "iou" in key or "gap" in key]


def test_the_calibration_part_chooses_thresholds_and_the_rest_is_scored_for_f1():
    train, val = load_split(CONFIG, DATA, "train"), load_split(CONFIG, DATA, "val")
    scores = pixel_ridge.predict_scores(train, train.labels, val, own_penalties=True)
    rest, values = ~val.calibration, []
    for column in range(scores.shape[1]):
        labels, own = val.labels[:, column], scores[:, column]
        candidates = np.sort(own[val.calibration])  # of equal F1 the lowest one
        f1 = [f1_score(labels[val.calibration], own[val.calibration] >= candidate) for candidate in candidates]
        if labels[rest].any():
            values.append(f1_score(labels[rest], own[rest] >= candidates[int(np.argmax(f1))]))
    row = baselines.score_ridge(CONFIG, train, val)
    assert set(row) == {"auroc_macro", "auroc_micro", "f1_macro"}
    assert row["f1_macro"] == pytest.approx(np.mean(values))
