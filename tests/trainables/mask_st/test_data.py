"""mask_st's data: the synthetic pictures, and real X-rays."""

import numpy as np
import pytest

from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split

SMALL = Config(image_size=32)


def test_the_same_settings_give_the_same_pictures_and_splits_differ():
    first = load_split(SMALL, Data(), "train")
    repetition = load_split(SMALL, Data(val_share=0.3), "train")  # other settings, so that it is no cached split
    assert first.images is not repetition.images
    np.testing.assert_array_equal(first.images, repetition.images)
    np.testing.assert_array_equal(first.labels, repetition.labels)
    assert (load_split(SMALL, Data(), "val").images != load_split(SMALL, Data(), "test").images).any()
    assert (load_split(SMALL, Data(split_seed=1), "train").images != first.images).any()


@pytest.mark.parametrize("size", [16, 64, 104])
def test_every_glyph_is_boxed_and_inside_the_image(size):
    examples = load_split(Config(image_size=size), Data(train_size=200, val_size=50), "train")
    assert examples.images.shape == (200, size, size, 1)
    assert examples.images.dtype == np.uint8
    assert examples.labels.mean() == pytest.approx(0.3, abs=0.05)
    for labels, boxes, findings in zip(examples.labels, examples.boxes, examples.findings, strict=True):
        assert findings == tuple(name for name, label in zip(examples.classes, labels, strict=True) if label)
        assert boxes.shape == (len(findings), 4)
        assert (boxes >= 0).all()
        assert (boxes <= size).all()


def test_what_is_boxed_is_brighter_than_its_surroundings_and_classes_look_different():
    examples = load_split(Config(image_size=64), Data(), "train")
    inside = {name: [] for name in examples.classes}
    for row, (boxes, findings) in enumerate(zip(examples.boxes, examples.findings, strict=True)):
        for (x0, y0, x1, y1), name in zip(boxes.astype(int), findings, strict=True):
            inside[name].append(examples.images[row, y0:y1, x0:x1, 0])
    pictures = np.stack([np.mean(patches, axis=0) for patches in inside.values()])
    assert (pictures.mean(axis=(1, 2)) > 255 * examples.mean + 10).all()
    likeness = np.corrcoef(pictures.reshape(4, -1))
    assert (likeness[~np.eye(4, dtype=bool)] < 0.9).all()


def test_calibration_rows_are_a_share_of_validation_and_of_nothing_else():
    assert load_split(SMALL, Data(calibration_share=0.25), "val").calibration.sum() == 64
    assert not load_split(SMALL, Data(), "train").calibration.any()
    assert not load_split(SMALL, Data(), "test").calibration.any()


def test_batches_are_copies_and_everything_shared_is_read_only():
    examples = load_split(SMALL, Data(), "train")
    images, labels = examples.batch([3, 1])
    np.testing.assert_array_equal(images, examples.images[[3, 1]])
    images[:], labels[:] = 0, 7
    assert examples.images[3].any()
    assert (examples.labels <= 1).all()
    for shared in (examples.images, examples.labels, examples.boxes[0]):
        with pytest.raises(ValueError, match="read-only"):
            shared[...] = 0


def test_mean_and_deviation_are_those_of_training_in_every_split():
    train, val = load_split(SMALL, Data(), "train"), load_split(SMALL, Data(), "val")
    pixels = train.images / 255
    assert train.mean == pytest.approx(pixels.mean(), abs=0.002)
    assert train.std == pytest.approx(pixels.std(), abs=0.002)
    assert (val.mean, val.std) == (train.mean, train.std)


def test_description_counts():
    examples = load_split(SMALL, Data(), "train")
    description = examples.describe()
    assert description["images"] == description["patients"] == len(examples) == 768
    assert description["positives"]["disc"] == examples.labels[:, 2].sum()
    assert description["boxes"] == examples.labels.sum()


# real X-rays


def test_real_lists_are_obeyed_and_share_no_patient(real_data, tmp_path):
    data = Data(source="nih", root=str(real_data("chest_xray")), cache=str(tmp_path))
    train, val, test = (load_split(Config(image_size=64), data, split) for split in ("train", "val", "test"))
    assert (len(train) + len(val), len(test)) == (379, 109)
    assert not set(train.patients) & set(val.patients)
    assert not (set(train.patients) | set(val.patients)) & set(test.patients)
    assert len(train.classes) == 8
    assert "No Finding" not in train.classes
    assert 0 < val.calibration.sum() < len(val)


def test_real_boxes_lie_in_their_images(real_data, tmp_path):
    data = Data(source="nih", root=str(real_data("chest_xray")), cache=str(tmp_path))
    test = load_split(Config(image_size=64), data, "test")
    boxes = np.concatenate(test.boxes)
    assert len(boxes) == 176
    assert {finding for findings in test.findings for finding in findings} == {"Opacity"}
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= 64).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
