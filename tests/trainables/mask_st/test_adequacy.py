"""Which classes AUROC averages over, and what is said of splits that cannot judge."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.support.xray_folders import SMALL, write_xrays, xray_data
from trainables.mask_st import scoring
from trainables.mask_st.adequacy import assess, check
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.mask_st.split import Examples
from trainables.settings import UsageError

CLASSES = ("a", "b", "c")


def examples(labels, calibration=None, patients=None, trainable=None) -> Examples:
    """Build a split of black images with some labels, one patient an image unless given."""
    labels = np.array(labels, np.float32)
    count = len(labels)
    return Examples(
        names=[f"{index}.png" for index in range(count)],
        images=np.zeros((count, 8, 8, 1), np.uint8),
        rows=np.arange(count),
        labels=labels,
        classes=CLASSES[: labels.shape[1]],
        boxes=[np.zeros((0, 4), np.float32)] * count,
        findings=[()] * count,
        patients=[f"p{index}" for index in range(count)] if patients is None else patients,
        calibration=np.zeros(count, bool) if calibration is None else np.array(calibration, bool),
        trainable_classes=None if trainable is None else np.array(trainable, bool),
    )


def random_labels(count=40, shares=(0.3, 0.5, 0.2), seed=0):
    return (np.random.default_rng(seed).random((count, 3)) < shares).astype(np.float32)


def list_findings(val, train=None, **data) -> dict[str, str]:
    train = train or examples(random_labels())
    return {finding.check: finding.message for finding in check("val", val.score_as(train, "val"), train, Data(**data))}


def score(val, seed=1):
    rng = np.random.default_rng(seed)
    predictions = scoring.Predictions(rng.random(val.labels.shape), *rng.random((2, *val.labels.shape)), *2 * [None])
    predictions = predictions._replace(saliency=rng.random((len(val), 4, 4)), masks=rng.random((len(val), 4, 4)) > 0.5)
    return scoring.score(predictions, val, np.full(val.labels.shape[1], 0.5), Config()), predictions


@pytest.mark.parametrize("trainable", [(1, 0, 1), (0, 0, 1), (1, 1, 1)])
def test_only_what_training_can_teach_is_averaged_over(trainable):
    """A class that training never saw had chance's AUROC, or better by luck, and a third of the mean."""
    val = examples(random_labels(), trainable=trainable)
    metrics, predictions = score(val)
    columns = np.flatnonzero(trainable)
    for key, scores in {
        "auroc_macro": predictions.full,
        "auroc_keep": predictions.keep,
        "auroc_drop": predictions.drop,
    }.items():
        areas = [roc_auc_score(val.labels[:, column], scores[:, column]) for column in columns]
        assert metrics[key] == pytest.approx(np.mean(areas))
    flat = roc_auc_score(val.labels[:, columns].ravel(), predictions.full[:, columns].ravel())
    assert metrics["auroc_micro"] == pytest.approx(flat)
    assert metrics["classes_scored"] == len(columns)


def test_where_training_can_teach_all_every_bit_is_as_it_was_and_the_keys_are_the_same():
    val = examples(random_labels())
    everything = replace(val, trainable_classes=np.ones(3, bool))
    assert score(everything)[0] == score(val)[0]
    assert set(score(replace(val, trainable_classes=np.array([True, False, False])))[0]) == set(score(val)[0])


@pytest.mark.parametrize("never", ["", "B"])
def test_a_class_that_training_never_saw_or_always_sees_is_known_from_the_folder(tmp_path, never):
    """Which patients are validation does not depend on their findings, so these are chosen by the split."""
    root = write_xrays(tmp_path / "probe", ["A", ""] * 6)
    patients = set(load_split(SMALL, xray_data(root), "val").patients)
    findings = []
    for index in range(12):
        in_val = str(index) in patients
        has_b = in_val if not never else (not in_val or index % 2)  # training: no B at all, or nothing but B
        findings.append("|".join([*(["A"] if len(findings) % 2 else []), *(["B"] if has_b else [])]))
    root = write_xrays(tmp_path / "xrays", findings)
    val = load_split(SMALL, xray_data(root), "val")
    assert val.classes == ("A", "B")
    assert val.trainable_classes.tolist() == [True, False]
    (message,) = [
        item.message
        for item in assess(SMALL, xray_data(root), ("train", "val")).findings
        if "leaves out" in item.message
    ]
    assert ("B (every training image has it)" if never else "B (training has none)") in message
    assert load_split(SMALL, xray_data(root), "test").trainable_classes.tolist() == [True, False]


def test_a_mean_over_no_class_is_refused_before_a_search(tmp_path):
    root = write_xrays(tmp_path / "probe", ["A", ""] * 4)
    val = set(load_split(SMALL, xray_data(root), "val").patients)
    root = write_xrays(tmp_path / "xrays", ["B" if str(index) in val else ["", "A"][index % 2] for index in range(8)])
    with pytest.raises(UsageError) as refusal:
        load_split(SMALL, xray_data(root), "val")
    assert "none of the 2 classes has images with and without it in training and in val alike" in str(refusal.value)


def test_labels_that_never_vary_in_training_are_refused(tmp_path):
    with pytest.raises(UsageError, match="with and without it in training, so there is no AUROC"):
        load_split(SMALL, xray_data(write_xrays(tmp_path / "xrays", ["A"] * 8)), "train")


def test_classes_without_positives_or_negatives_are_named_with_the_reason():
    labels = random_labels()
    labels[:, 1], labels[:, 2] = 0, 1
    message = list_findings(examples(labels))["classes not scored"]
    assert message.startswith(
        "val/auroc_macro is that of a single class, a of 3: it leaves out b (validation has none)"
    )
    assert "c (every image of validation has it)" in message and "data.val_size (256)" in message


def test_the_interval_counts_patients_not_their_images():
    labels = np.tile([[1, 0, 1], [0, 1, 0]], (200, 1))
    assert "wide interval" not in list_findings(examples(labels))
    few = examples(labels, patients=[f"p{index % 4}" for index in range(400)])
    assert "validation has 2 patients with a, the scarcest class" in list_findings(few)["wide interval"]
    one = examples(labels, patients=["x" if index % 2 == 0 else f"p{index}" for index in range(400)])
    assert list_findings(one)["one patient"].startswith("all positives of a, c in validation are one patient's")


def test_a_class_that_no_calibration_image_has_has_no_threshold():
    labels = random_labels()
    calibration = labels[:, 2] == 0
    messages = list_findings(examples(labels, calibration=calibration))
    assert messages["no threshold"].startswith("no calibration image of validation has c, so no threshold")
    assert "no threshold" not in list_findings(examples(labels, calibration=np.arange(40) < 20))


def test_patients_in_two_splits_are_counted():
    train = examples(random_labels(), patients=[f"t{index}" for index in range(39)] + ["p3"])
    assert (
        "1 of 40 patients of validation are in training as well (p3)"
        in list_findings(examples(random_labels()), train)["shared patients"]
    )


def test_a_line_says_how_many_images_patients_and_positives_there_are(tmp_path):
    root = write_xrays(tmp_path / "xrays", ["A", "B", "A|B", "", "A", "", "B", "", "A", "B"])
    lines = assess(SMALL, xray_data(root, val_share=0.5), ("train", "val", "test")).lines
    val = load_split(SMALL, xray_data(root, val_share=0.5), "val")
    positives = val.labels.sum(axis=0).astype(int)
    assert lines["val"] == (
        f"5 images of 5 patients · positives: A {positives[0]}, B {positives[1]} · AUROC of {val.scored_classes.sum()} "
        f"of 2 classes · {val.calibration.sum()} choose the thresholds with which F1 is scored on "
        f"{(~val.calibration).sum()}"
    )
    assert lines["test"] == "2 images of 2 patients · positives: A 1, B 0 · AUROC of 1 of 2 classes"


def test_of_fifty_real_pictures_in_the_layout_of_nih_the_classes_that_cannot_be_scored_are_named(real_data, tmp_path):
    source = real_data("chest_xray")
    for name in ("Data_Entry_2017.csv", "BBox_List_2017.csv", "images"):
        (tmp_path / name).symlink_to(source / name)
    train_val, test = ((source / f"{name}_list.txt").read_text().split() for name in ("train_val", "test"))
    (tmp_path / "train_val_list.txt").write_text("\n".join(train_val[5::7][:40]))
    (tmp_path / "test_list.txt").write_text("\n".join(test[:10]))
    data = Data(source="nih", root=str(tmp_path), cache=str(tmp_path / "cache"))
    adequacy, val = assess(SMALL, data, ("train", "val")), load_split(SMALL, data, "val")
    positives, train = val.labels.sum(axis=0), load_split(SMALL, data, "train").labels
    is_scored = (positives > 0) & (positives < len(val)) & (train.sum(axis=0) > 0) & (train.sum(axis=0) < len(train))
    assert 0 < is_scored.sum() < len(val.classes)
    (message,) = [item.message for item in adequacy.findings if item.check == "classes not scored"]
    unscored = [name for name, scored in zip(val.classes, is_scored, strict=True) if not scored]
    assert any(name in message for name in unscored)
    assert "wide interval" in [item.check for item in adequacy.findings]
