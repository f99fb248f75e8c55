"""Images and fixations of a folder: folds, sizes, and what is said of what does not fit."""

import numpy as np
import pytest

import trainables.entropy_reg.features
from tests.support import tiny_gaze
from tests.support.gaze_folders import SIZES, central_fixations, folder_data, write_folder
from tests.support.tiny_gaze import config
from trainables import registry as variants
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split, prepare
from trainables.entropy_reg.sources import recordings
from trainables.settings import UsageError

NAN = np.nan


# -- folds -------------------------------------------------------------------------------------------------------------


def test_only_the_test_split_opens_its_images(folder, monkeypatch):
    held_out = load_split(config(), folder_data(folder), "test").names
    for name in held_out:
        (folder / "stimuli" / name).write_bytes(b"broken")
    opened = []
    original = trainables.entropy_reg.decoding.decode_image

    def record(file, size, shape):
        opened.append(file.name)
        return original(file, size, shape)

    monkeypatch.setattr(recordings, "decode_image", record)
    where = folder_data(folder, cache=str(folder / "another"))
    prepare(config(), where, ("train", "val"))
    assert sorted(opened) == sorted({f"{name}.png" for name in SIZES} - set(held_out))
    with pytest.raises(UsageError, match=held_out[0]):
        load_split(config(), where, "test")


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_keys_are_those_of_pixels_and_not_of_fixations(folder, tmp_path):
    other = write_folder(
        tmp_path / "other", SIZES, [(*row[:3], row[3] + 1, row[4]) for row in central_fixations(SIZES)]
    )
    one, two = (load_split(config(), folder_data(item), "train") for item in (folder, other))
    assert one.fixations[0].points.tolist() != two.fixations[0].points.tolist()
    assert one.key == two.key
    keys = [
        load_split(entry, where, split).key
        for entry, where, split in [
            (config(), folder_data(folder), "val"),
            (config(shape="keep"), folder_data(folder), "train"),
            (config(image_size=96), folder_data(folder), "train"),
            (config(), folder_data(folder, crop=0.9), "train"),
        ]
    ]
    assert len({str(key) for key in [one.key, *keys]}) == 5


def test_a_crop_makes_a_twin_of_the_same_images(folder):
    uncropped, cut = (load_split(config(), folder_data(folder, crop=share), "train") for share in (1.0, 0.75))
    assert cut.shapes == [tuple(int(side * 0.75) // 4 * 4 for side in shape) for shape in uncropped.shapes]
    np.testing.assert_array_equal(cut.pixels[0], uncropped.pixels[0][: cut.shapes[0][0], : cut.shapes[0][1]])
    assert cut.fixations[0].points.tolist() == uncropped.fixations[0].points.tolist()


def test_a_split_is_made_once_for_all_trials_of_a_size(folder):
    where = folder_data(folder)
    assert load_split(config(lr=0.5), where, "train") is load_split(config(batch_size=2), where, "train")


def test_a_backbone_that_is_not_there_is_told_before_any_trial(folder):
    with pytest.raises(UsageError, match="backbone=resnet19"):
        prepare(config(backbone="resnet19", layers="layer3"), folder_data(folder), ("train",))
    with pytest.raises(UsageError, match="has no module 9"):
        prepare(config(layers="9"), folder_data(folder), ("train",))


def test_preparing_computes_the_features_of_the_asked_splits_alone(folder, monkeypatch):
    names: list[str] = []
    monkeypatch.setattr(
        trainables.entropy_reg.features,
        "prepare_features",
        lambda config, where, stimuli: names.extend(name for item in stimuli for name in item.names),
    )
    prepare(config(), folder_data(folder), ("train", "val"))
    expected = [
        *load_split(config(), folder_data(folder), "train").names,
        *load_split(config(), folder_data(folder), "val").names,
    ]
    assert names == expected
    assert len(expected) == 4


def test_what_is_prepared_is_all_that_a_training_needs(folder):
    def stored() -> set[str]:
        return {path.parent.name for path in (folder / "cache").glob("*-*/*")}

    prepare(config(), folder_data(folder), ("train", "val"))
    before = stored()
    assert {name.partition("-")[0] for name in before} >= {"features", "centre"}
    for kind in ("grey3", "grey", "rgb_random"):
        tiny = {**tiny_gaze.SETTINGS, "regulariser": "entropy", "uniform_kind": kind, "lr": 0.1}
        variants.load("entropy_reg").build(Config(**tiny), folder_data(folder), device="cpu", seed=3)
    assert stored() == before
    prepare(config(), folder_data(folder, features="live"), ("test",))
    assert {name for name in stored() - before if name.startswith("features")} == set()


def test_real_images_are_folded_and_read_with_their_fixations(real_data, tmp_path):
    where = Data(source="fixations", root=str(real_data("fixations")), cache=str(tmp_path))
    train, val = (load_split(config(), where, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (560, 70)
    assert set(train.names).isdisjoint(val.names)
    assert set(train.shapes) == {(48, 64)}
    assert sum(len(fixation.points) for fixation in train.fixations) > 75_000
