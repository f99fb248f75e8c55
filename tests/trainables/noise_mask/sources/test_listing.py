"""Which files of a folder are the images of which split and class, and what is refused."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.support.class_folders import image_names, load_images, write_images
from trainables.settings import UsageError


@pytest.mark.parametrize("called", ["val", "valid", "validation", "dev"])
def test_validation_has_four_names(three_folders, called):
    (three_folders / "val").rename(three_folders / called)
    assert load_images(three_folders, "val").names[0] == f"{called}/one/00.png"
    assert len(load_images(three_folders, "train")) == 11


def test_training_and_testing_have_two_names(three_folders):
    for split in ("train", "test"):
        (three_folders / split).rename(three_folders / f"{split}ing")
    assert load_images(three_folders, "train").names[0] == "training/one/00.png"
    assert load_images(three_folders, "test").names[0] == "testing/one/00.png"


def test_folders_beside_the_splits_are_told(three_folders):
    write_images(three_folders, "extra/one/x.png")
    with pytest.warns(UserWarning, match="data has extra beside its splits, where nothing is read"):
        assert len(load_images(three_folders)) == 11


def test_two_folders_of_one_split_are_refused(three_folders):
    write_images(three_folders, "valid/one/x.png")
    with pytest.raises(UsageError, match=r"data has val, valid, which all mean val: keep one of them\."):
        load_images(three_folders)


def test_what_is_hidden_or_no_image_is_passed_over(three_folders):
    (three_folders / "train/one/notes.txt").write_text("by hand")
    (three_folders / "train/one/._00.png").write_bytes(b"of another system")
    (three_folders / "train/.thumbnails").mkdir()
    write_images(three_folders, "train/one/.small/1.png", ".other/one/1.png")
    Image.new("L", (9, 9)).save(three_folders / "train/two/SHOUTED.JPG")
    assert load_images(three_folders).names == sorted(
        [*image_names("train/one", 6), *image_names("train/two", 5), "train/two/SHOUTED.JPG"]
    )


@pytest.mark.parametrize("folder", ["train/three", "val/three", "test/three"])
def test_an_empty_class_is_named_and_hidden_files_do_not_fill_it(three_folders, folder):
    write_images(three_folders, f"{folder}/.1.png")
    with pytest.raises(UsageError, match=rf"the class folder \S*{folder} has no image that ends with \.png, .*: add"):
        load_images(three_folders)


def test_no_images_one_class_and_no_training_say_what_to_do(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="none has no images: they belong into a folder for each class, none/CLASS/"):
        load_images(tmp_path / "none")
    write_images(tmp_path / "loose", "train/1.png", "val/a/1.png")
    with pytest.raises(UsageError, match=r"loose/train has no images: they belong into .* train/CLASS/"):
        load_images(tmp_path / "loose")
    write_images(tmp_path / "single", *image_names("a", 9))
    with pytest.raises(UsageError, match="single has images of 1 class, a: add a folder of another one"):
        load_images(tmp_path / "single")
    write_images(tmp_path / "tested", "test/a/1.png", "test/b/1.png")
    with pytest.raises(UsageError, match="tested has test but no train: add it"):
        load_images(tmp_path / "tested", "test")
