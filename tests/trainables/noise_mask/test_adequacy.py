"""Which classes balanced accuracy averages over, and what is said of splits that cannot judge."""

import shutil

import numpy as np
import pytest
from sklearn.metrics import recall_score

from tests.support.class_folders import image_names, write_images
from tests.support.tiny_noise import build
from trainables.measuring import intervals
from trainables.noise_mask import scoring
from trainables.noise_mask.adequacy import assess, check
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.split import ClassImages
from trainables.settings import UsageError

SMALL = Config(image_size=16, grid=4)


def images(counts, trainable=None) -> ClassImages:
    """Build a split with so many images of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return ClassImages(
        images=np.zeros((len(labels), 8, 8, 1), np.uint8),
        rows=np.arange(len(labels)),
        labels=labels,
        classes=tuple(f"k{index}" for index in range(len(counts))),
        names=[f"{index}.png" for index in range(len(labels))],
        trainable_classes=None if trainable is None else np.array(trainable, bool),
    )


def findings_of(counts, train_counts=None) -> dict[str, str]:
    train = images(train_counts or [9] * len(counts))
    val = images(counts).score_as(train, "val")
    return {finding.check: finding.message for finding in check("val", val, train, Data())}


def write_folder(root, **val_counts):
    """Write ten training and two test images of a, b and c, and some for validation."""
    for split, counts in {
        "train": dict.fromkeys("abc", 10),
        "val": val_counts,
        "test": dict.fromkeys("abc", 2),
    }.items():
        for label, count in counts.items():
            write_images(root, *image_names(f"{split}/{label}", count))
    return Data(source="folder", root=str(root), cache=str(root.parent / "cache"))


def test_a_class_without_a_validation_image_leaves_a_mean_over_two_of_three(tmp_path):
    adequacy = assess(SMALL, write_folder(tmp_path / "images", a=30, b=20), ("train", "val"))
    assert adequacy.lines["val"] == "50 images · of each class: a 30, b 20, c 0 · recall of 2 of 3 classes"
    assert adequacy.lines["train"] == "30 images · of each class: a 10, b 10, c 10"
    (message,) = [item.message for item in adequacy.findings if item.check == "classes not scored"]
    assert message.startswith(
        "val/accuracy_balanced_maskfree averages over 2 of 3 classes: it leaves out c (validation"
    )


def test_images_of_a_class_that_training_never_saw_are_not_scored():
    val = images([5, 3, 4], trainable=[1, 0, 1])
    rng = np.random.default_rng(0)
    predictions = scoring.Predictions(*rng.dirichlet(np.ones(3), (3, len(val))))
    scored = val.scored_images
    metrics = scoring.score(predictions.select(scored), val.labels[scored])
    guesses = predictions.maskfree.argmax(axis=1)
    recalls = recall_score(val.labels, guesses, labels=[0, 2], average=None)
    assert metrics["accuracy_balanced_maskfree"] == pytest.approx(recalls.mean())
    assert metrics["accuracy_maskfree"] == pytest.approx((guesses == val.labels)[val.labels != 1].mean())


def test_a_variant_scores_only_images_of_classes_that_training_has():
    variant = build(objective="none")
    val = variant.splits["val"]
    before = variant.evaluate("val")
    variant.splits["val"] = val.score_as(variant.splits["train"].select(variant.splits["train"].labels != 1), "val")
    after = variant.evaluate("val")
    probabilities = variant.judge.predict(val).maskfree
    part = val.labels != 1
    assert after["nll_maskfree"] == pytest.approx(-np.log(probabilities[part, val.labels[part]]).mean())
    assert set(after) == set(before) and after["nll_maskfree"] != before["nll_maskfree"]


def test_no_class_in_common_is_refused():
    with pytest.raises(UsageError, match="no class has images in val and in training alike"):
        images([3, 0]).score_as(images([0, 3]), "val")


def test_what_training_lacks_is_named_before_what_validation_lacks():
    assert (
        "k1 (training has none), k2 (validation has none)" in findings_of([50, 50, 0], [9, 0, 9])["classes not scored"]
    )
    assert "classes not scored" not in findings_of([50, 50, 50])


@pytest.mark.parametrize(
    ("counts", "checks"), [([60, 60, 60], set()), ([60, 60, 4], {"scarce class", "wide interval"})]
)
def test_few_images_of_a_class_are_said_with_what_one_of_them_moves(counts, checks):
    messages = findings_of(counts)
    assert set(messages) == checks
    if checks:
        assert (
            "k2 in validation has 4 images, each of which moves val/accuracy_balanced_maskfree by 0.083"
            in messages["scarce class"]
        )
        assert f"±{intervals.macro_recall_half_width(counts, 0.8):.2f}" in messages["wide interval"]


def test_of_a_real_folder_a_class_without_validation_images_is_named(real_data, tmp_path):
    source = real_data("radiology")
    for split in ("train", "val", "test"):
        for folder in sorted((source / split).iterdir()):
            (tmp_path / "images" / split / folder.name).mkdir(parents=True)
            for file in sorted(folder.iterdir())[:12]:
                shutil.copy(file, tmp_path / "images" / split / folder.name)
    missing = sorted((tmp_path / "images" / "val").iterdir())[0]
    shutil.rmtree(missing)
    data = Data(source="folder", root=str(tmp_path / "images"), cache=str(tmp_path / "cache"))
    (finding,) = [item for item in assess(SMALL, data, ("train", "val")).findings if item.check == "classes not scored"]
    assert f"averages over 5 of 6 classes: it leaves out {missing.name} (validation has none)" in finding.message
