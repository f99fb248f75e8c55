"""Images of a folder with a subfolder for each class: splits, images that cannot be used, and real data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainables.images.squares
from tests.support.class_folders import SPLITS, image_names, load_images, load_splits, write_images
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split, prepare
from trainables.noise_mask.split import ClassImages
from trainables.settings import UsageError

FOUND = {"train": 0.6, "val": 0.2, "test": 0.2}


@pytest.fixture
def classes_only(tmp_path) -> Path:
    """Write twenty images of `a`, ten of `b`, some of them deeper, and five of `c`."""
    root = tmp_path / "data"
    write_images(root, *image_names("a", 20), *image_names("b", 6), *image_names("b/deep/er", 4), *image_names("c", 5))
    return root


# layouts


def test_splits_are_the_folders_where_there_are_three(three_folders):
    for split, labelled in load_splits(three_folders).items():
        found = sorted(path.relative_to(three_folders).as_posix() for path in (three_folders / split).rglob("*.png"))
        assert labelled.names == found
        assert labelled.classes == ("one", "two")
        assert [labelled.classes[label] for label in labelled.labels] == [name.split("/")[1] for name in found]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_name_has_its_own_pixels_in_grey_or_colour(classes_only, channels):
    for labelled in load_splits(classes_only, channels=channels).values():
        images, labels = labelled.batch(range(len(labelled)))
        for image, label, name in zip(images, labels, labelled.names, strict=True):
            stored = Image.open(classes_only / name).convert("L" if channels == 1 else "RGB")
            np.testing.assert_array_equal(image, np.asarray(stored).reshape(16, 16, channels))
            assert labelled.classes[label] == name.split("/")[0]


# splits


def check_split(root: Path, splits: dict[str, ClassImages]) -> None:
    """See that nothing is in two splits and nothing is left out."""
    names = [name for each in splits.values() for name in each.names]
    assert sorted(names) == sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert len(set(names)) == len(names)
    assert len({(root / name).resolve() for name in names}) == len(names)


def test_every_class_is_split_by_its_shares(classes_only):
    splits = load_splits(classes_only)
    check_split(classes_only, splits)
    for label, count in enumerate((20, 10, 5)):
        for split, share in FOUND.items():
            assert (splits[split].labels == label).sum() == share * count


@pytest.mark.parametrize("lacking", ["val", "test"])
def test_a_split_without_a_folder_is_split_off_training_and_the_other_stays(three_folders, lacking):
    for file in sorted((three_folders / lacking).rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (three_folders / lacking).rmdir()
    splits = load_splits(three_folders, val_share=0.34, test_share=0.34)
    check_split(three_folders, splits)
    assert [len(splits["train"]), len(splits[lacking])] == [7, 4]
    assert all(name.startswith("train/") for name in splits[lacking].names)
    (kept,) = {"val", "test"} - {lacking}
    assert all(name.startswith(f"{kept}/") for name in splits[kept].names)


def test_the_split_is_a_function_of_names_and_seed(classes_only, tmp_path, monkeypatch):
    before = {split: each.names for split, each in load_splits(classes_only).items()}
    twin = tmp_path / "elsewhere" / "twin"
    write_images(twin, *reversed([name for names in before.values() for name in names]))
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *_: ((at, below, files[::-1]) for at, below, files in walk(*_)))
    assert {split: each.names for split, each in load_splits(twin).items()} == before
    assert {split: each.names for split, each in load_splits(twin, split_seed=1).items()} != before


def test_another_share_of_validation_leaves_the_test_split_as_it_is(classes_only):
    names = [load_images(classes_only, "test", val_share=share).names for share in (0.1, 0.2, 0.45)]
    assert names[0] == names[1] == names[2]


def test_an_image_that_joins_moves_few_others(classes_only):
    before = {name: split for split, each in load_splits(classes_only).items() for name in each.names}
    write_images(classes_only, "a/new.png")
    after = {name: split for split, each in load_splits(classes_only, val_share=0.2001).items() for name in each.names}
    assert sum(after[name] != split for name, split in before.items()) <= 2
    assert after.keys() - before.keys() == {"a/new.png"}


@pytest.mark.parametrize("count", [3, 4, 5])
def test_small_classes_are_in_every_split(tmp_path, count):
    write_images(tmp_path / "data", *image_names("a", count), *image_names("b", count))
    for shares in ({}, {"val_share": 0.5, "test_share": 0.49}, {"val_share": 0.02, "test_share": 0.02}):
        for labelled in load_splits(tmp_path / "data", **shares).values():
            assert set(labelled.labels) == {0, 1}


def test_fewer_images_of_each_class_are_some_of_the_same(classes_only):
    all_of_them, two, three = (set(load_images(classes_only, train_per_class=each).names) for each in (None, 2, 3))
    assert two < three < all_of_them
    chosen = load_images(classes_only, train_per_class=2)
    assert chosen.describe()["images_of_class"] == {"a": 2, "b": 2, "c": 2}
    assert chosen.names == sorted(chosen.names)
    assert load_images(classes_only, "val", train_per_class=2).names == load_images(classes_only, "val").names
    assert set(load_images(classes_only, train_per_class=2, split_seed=5).names) != two
    with pytest.raises(UsageError, match=r"train_per_class=4 asks for more than the 3 training images of the class c"):
        load_images(classes_only, train_per_class=4)


def test_only_the_images_that_are_asked_for_are_decoded(classes_only, monkeypatch):
    names = {split: each.names for split, each in load_splits(classes_only, train_per_class=2).items()}
    opened: list[str] = []
    real = trainables.images.squares._square

    def square(file: Path, size: int, channels: int):
        opened.append(file.relative_to(classes_only).as_posix())
        return real(file, size, channels)

    monkeypatch.setattr(trainables.images.squares, "_square", square)
    again = {"source": "folder", "root": str(classes_only), "cache": str(classes_only.parent / "second")}
    prepare(Config(image_size=16, grid=4), Data(**again, train_per_class=2), ("train", "val"))
    assert sorted(opened) == sorted(names["train"] + names["val"])
    prepare(Config(image_size=16, grid=4), Data(**again, train_per_class=2), ("test",))
    assert sorted(opened) == sorted(name for some in names.values() for name in some)


# what cannot be used


def test_damaged_images_are_fatal_or_left_out_with_their_labels(three_folders):
    (three_folders / "train/one/03.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"1 of 11 train images cannot be read: 03\.png"):
        load_images(three_folders)
    with pytest.warns(UserWarning, match="left out"):
        labelled = load_images(three_folders, bad_images="skip")
    assert labelled.names == [name for name in get_names(three_folders / "train") if name != "train/one/03.png"]
    assert [labelled.classes[label] for label in labelled.labels] == [name.split("/")[1] for name in labelled.names]
    assert labelled.describe()["left_out"] == 1
    for index, name in enumerate(labelled.names):
        grey = np.asarray(Image.open(three_folders / name).convert("L"))
        np.testing.assert_array_equal(labelled.batch([index])[0][0, ..., 0], grey)


def get_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.png"))


def test_a_class_whose_images_are_all_damaged_is_named(three_folders):
    for file in (three_folders / "train/two").iterdir():
        file.write_bytes(b"no image")
    with pytest.warns(UserWarning), pytest.raises(UsageError, match="no training image of the class two is readable"):
        load_images(three_folders, bad_images="skip")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_training_lacks_is_named(three_folders, split):
    write_images(three_folders, f"{split}/three/1.png")
    with pytest.raises(UsageError, match=f"has the class three in {split} but not in train: add training images"):
        load_images(three_folders)


def test_a_class_that_validation_lacks_counts_none(three_folders):
    for file in (three_folders / "val/one").iterdir():
        file.unlink()
    (three_folders / "val/one").rmdir()
    assert load_images(three_folders, "val").describe()["images_of_class"] == {"one": 0, "two": 2}


def test_classes_too_small_to_split_and_shares_too_large_are_named(tmp_path):
    write_images(tmp_path / "data", *image_names("a", 9), *image_names("b", 2))
    with pytest.raises(UsageError, match="the class b has 2 images, too few to split test and val off training: add"):
        load_images(tmp_path / "data")
    with pytest.raises(UsageError, match=r"data\.test_share=0\.5 and data\.val_share=0\.5 leave nothing to train on"):
        load_images(tmp_path / "data", val_share=0.5, test_share=0.5)


def test_a_file_in_two_splits_or_two_classes_by_a_link_is_named(three_folders):
    link = three_folders / "test/one/link.png"
    link.symlink_to(three_folders / "train/one/02.png")
    with pytest.raises(UsageError, match=r"train/one/02\.png \(train\) and test/one/link\.png \(test\) are links to"):
        load_images(three_folders)
    link.unlink()
    (three_folders / "train/two/link.png").symlink_to(three_folders / "train/one/02.png")
    with pytest.raises(UsageError, match=r"train/one/02\.png \(train\) and train/two/link\.png \(train\) are links"):
        load_images(three_folders, split_seed=1)


def test_a_folder_in_two_splits_by_a_link_is_noticed(three_folders):
    for file in (three_folders / "val/one").iterdir():
        file.unlink()
    (three_folders / "val/one").rmdir()
    (three_folders / "val/one").symlink_to(three_folders / "train/one")
    with pytest.raises(UsageError, match=r"train/one/0\d\.png \(train\) and val/one/0\d\.png \(val\) are links"):
        load_images(three_folders)


def test_links_to_files_elsewhere_are_images_like_others(three_folders, tmp_path):
    write_images(tmp_path, "elsewhere/1.png")
    (three_folders / "train/one/link.png").symlink_to(tmp_path / "elsewhere/1.png")
    assert "train/one/link.png" in load_images(three_folders).names


# real data


def test_real_radiographs_have_their_published_splits_and_classes(real_data, tmp_path):
    data = {"source": "folder", "root": str(real_data("radiology")), "cache": str(tmp_path)}
    config = Config(image_size=16, grid=4)
    with pytest.warns(UserWarning, match="left out of"):
        splits = [load_split(config, Data(**data), split) for split in SPLITS]
    assert [len(split) for split in splits] == [719, 598, 1200]
    original = "a copy of test/HeadCT/006236.jpeg"
    assert splits[0].bad == (("train/HeadCT/007513.jpeg", original),)
    assert splits[1].bad == tuple((f"val/HeadCT/{number}.jpeg", original) for number in ("005644", "006728"))
    assert splits[0].classes == ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
    for split, count in zip(splits, (120, 100, 200), strict=True):
        assert max(split.describe()["images_of_class"].values()) == count
    with pytest.warns(UserWarning, match="left out of train: 1 image that is also in validation or test"):
        few = load_split(config, Data(**data, train_per_class=30), "train")
    assert len(few) == 180
    assert set(few.names) < set(splits[0].names)
    assert set(few.describe()["images_of_class"].values()) == {30}
    assert splits[2].mean == splits[0].mean
