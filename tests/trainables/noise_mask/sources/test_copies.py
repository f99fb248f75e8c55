"""Files that are in two splits: left out of the one that learns, and told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.class_folders import SPLITS, image_names, load_images, load_splits, write_images
from trainables.settings import Notice, UsageError


def copy(root: Path, original: str, name: str) -> None:
    (root / name).write_bytes((root / original).read_bytes())


def test_copies_of_judged_images_are_left_out_and_told(three_folders):
    copy(three_folders, "test/one/00.png", "train/one/90.png")
    copy(three_folders, "val/two/01.png", "train/two/91.png")
    copy(three_folders, "val/two/01.png", "train/one/92.png")  # whatever its class is said to be
    copy(three_folders, "test/one/01.png", "val/one/93.png")
    with pytest.warns(
        UserWarning,
        match=r"of train: 3 images that are also in validation or test \(train/one/90\.png is test/one/00\.png, ",
    ):
        train = load_images(three_folders, "train")
    with pytest.warns(
        UserWarning, match=r"of val: 1 image that is also in test \(val/one/93\.png is test/one/01\.png\)\."
    ):
        val = load_images(three_folders, "val")
    assert train.names == [*image_names("train/one", 6), *image_names("train/two", 5)]
    assert val.names == [*image_names("val/one", 3), *image_names("val/two", 2)]
    assert len(load_images(three_folders, "test")) == 7
    assert train.describe()["left_out"] == 3
    assert train.bad == (
        ("train/one/90.png", "a copy of test/one/00.png"),
        ("train/one/92.png", "a copy of val/two/01.png"),
        ("train/two/91.png", "a copy of val/two/01.png"),
    )


def test_an_image_in_all_three_splits_is_a_test_image(three_folders):
    for split in ("train", "val"):
        copy(three_folders, "test/one/00.png", f"{split}/one/99.png")
    with pytest.warns(Notice):
        assert [len(each) for each in load_splits(three_folders).values()] == [11, 5, 7]


@pytest.mark.filterwarnings("error")
def test_copies_within_a_split_stay(three_folders):
    copy(three_folders, "train/one/00.png", "train/one/90.png")
    assert len(load_images(three_folders, "train")) == 12


def test_a_split_that_is_made_here_has_no_copies_across(tmp_path):
    root = tmp_path / "data"
    write_images(root, *image_names("a", 20), *image_names("b", 20))
    for number in range(20):
        copy(root, f"a/{number:02d}.png", f"a/{number:02d} again.png")
    with pytest.warns(Notice, match="left out"):
        splits = load_splits(root)
    contents = {split: {(root / name).read_bytes() for name in each.names} for split, each in splits.items()}
    assert not contents["train"] & (contents["val"] | contents["test"])
    assert not contents["val"] & contents["test"]


@pytest.mark.parametrize("equal", [False, True])
def test_long_files_are_copies_only_if_their_middles_are_equal(three_folders, equal):
    """Slices with black borders, uncompressed, have equal ends."""
    values = np.zeros((300, 300), dtype=np.uint8)
    values[140:160] = 7
    Image.fromarray(values).save(three_folders / "test/one/slice.bmp")
    values[140:160] = 7 if equal else 8
    Image.fromarray(values).save(three_folders / "train/one/slice.bmp")
    if equal:
        with pytest.warns(Notice, match=r"train/one/slice\.bmp is test/one/slice\.bmp"):
            assert "train/one/slice.bmp" not in load_images(three_folders).names
    else:
        assert "train/one/slice.bmp" in load_images(three_folders).names


def test_classes_and_splits_of_copies_alone_are_named(three_folders):
    for number in range(5):
        copy(three_folders, "test/two/00.png", f"train/two/{number:02d}.png")
    with pytest.raises(UsageError, match="all train images of the class two are in validation or test, too"):
        load_images(three_folders)
    write_images(three_folders, "train/two/new.png")
    for file in (three_folders / "val/one").iterdir():
        copy(three_folders, "test/two/00.png", file.relative_to(three_folders).as_posix())
    with pytest.raises(UsageError, match="all val images of the class one are in test, too: add others"):
        load_images(three_folders)


def test_what_is_left_out_hangs_on_no_order_of_files(three_folders, monkeypatch):
    for name in ("train/one/90.png", "val/one/91.png", "val/two/92.png"):
        copy(three_folders, "test/one/00.png", name)
    copy(three_folders, "test/one/00.png", "test/two/93.png")
    walk = os.walk
    bad = []
    for step in (1, -1):
        monkeypatch.setattr(os, "walk", lambda top, step=step: ((a, b, sorted(c)[::step]) for a, b, c in walk(top)))
        with pytest.warns(Notice):
            bad.append([load_images(three_folders, split, val_share=0.1 + step / 100).bad for split in SPLITS])
    assert bad[0] == bad[1]
    assert bad[0][1] == (
        ("val/one/91.png", "a copy of test/one/00.png"),
        ("val/two/92.png", "a copy of test/one/00.png"),
    )


def test_a_file_that_has_changed_is_looked_at_again(three_folders):
    copy(three_folders, "test/one/00.png", "train/one/90.png")
    with pytest.warns(Notice):
        assert len(load_images(three_folders)) == 11
    write_images(three_folders, "train/one/90.png")
    other_data = {"val_share": 0.3}  # else the process has the splits in its cache
    assert len(load_images(three_folders, **other_data)) == 12


def test_empty_files_are_damaged_and_no_copies(three_folders):
    for name in ("train/one/90.png", "test/one/90.png"):
        (three_folders / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"1 of 12 train images cannot be read: 90\.png"):
        load_images(three_folders)
