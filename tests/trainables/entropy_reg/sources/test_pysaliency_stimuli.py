"""pysaliency's stimuli: files with their sizes, arrays that are written once, and what is refused."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.support.pysaliency_files import (
    EXPECTED,
    PICTURES,
    array_stimuli,
    file_stimuli,
    read_images,
    refuse,
    scanpaths,
    scanpaths_by_name,
    write_data_set,
    write_hdf5,
)


@pytest.fixture
def root(tmp_path):
    """Write a data set of three images and four scanpaths."""
    return write_data_set(tmp_path)


def test_files_are_found_beside_the_table_with_the_size_of_the_coordinates(root):
    first, second = read_images(root)
    assert (first.file, first.size) == (root / "stimuli" / "im1.png", (12, 10))
    assert (second.file, second.size) == (root / "stimuli" / "im2.png", (40, 30))
    moved = root.rename(root.with_name("moved"))
    assert read_images(moved)[0].file == moved / "stimuli" / "im1.png"


def test_absolute_names_and_those_of_windows_are_found(root):
    file_stimuli(root, version="1.0", folder=f"{root}/stimuli/")
    assert [each.file for each in read_images(root)] == [root / "stimuli" / "im1.png", root / "stimuli" / "im2.png"]
    file_stimuli(root, folder="stimuli\\")
    assert [each.file for each in read_images(root)] == [root / "stimuli" / "im1.png", root / "stimuli" / "im2.png"]


def test_images_of_one_name_have_their_folder_in_it(root):
    (root / "stimuli" / "b").mkdir()
    (root / "stimuli" / "im1.png").rename(root / "stimuli" / "b" / "im2.png")
    file_stimuli(root, ["im2.png", "im10.png", "b/im2.png"])
    assert list(scanpaths_by_name(root)) == ["stimuli/b/im2.png", "stimuli/im2.png"]


def test_arrays_are_written_once_without_loss(root):
    array_stimuli(root)
    first, second = read_images(root)
    assert (first.name, first.size, second.name, second.size) == ("0.png", (40, 30), "2.png", (12, 10))
    np.testing.assert_array_equal(np.asarray(Image.open(first.file)), PICTURES[0])
    np.testing.assert_array_equal(np.asarray(Image.open(second.file)), PICTURES[2][..., 0])
    assert sorted(file.name for file in first.file.parent.iterdir()) == ["0.png", "2.png"]
    os.utime(first.file, (1, 1))
    second.file.unlink()  # as if writing had been interrupted before it
    assert [each.file for each in read_images(root)] == [first.file, second.file]
    assert first.file.stat().st_mtime == 1
    assert second.file.is_file()


def test_other_arrays_are_other_files(root):
    array_stimuli(root)
    before = read_images(root)[0].file
    array_stimuli(root, [255 - picture for picture in PICTURES])
    after = read_images(root)[0].file
    assert before != after
    np.testing.assert_array_equal(np.asarray(Image.open(after)), 255 - PICTURES[0])


def test_numbers_of_arrays_sort_as_numbers_do(root):
    array_stimuli(root, [PICTURES[1]] * 11)
    write_hdf5(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths([(number, [[1, 1]]) for number in (10, 9, 0)]))
    assert [each.name for each in read_images(root)] == ["00.png", "09.png", "10.png"]


def test_images_that_are_missing_or_named_twice_are_refused(root):
    (root / "stimuli" / "im10.png").unlink()  # has no fixation
    assert scanpaths_by_name(root) == EXPECTED
    (root / "stimuli" / "im1.png").unlink()
    refuse(root, r"names images that are not there, \S+stimuli/im1\.png: put them there")
    file_stimuli(root, ["im2.png", "im10.png", "im2.png"])
    refuse(root, r"names stimuli/im2\.png twice")


def test_sizes_that_cannot_be_right_are_refused(root):
    file_stimuli(root, shapes=[(30, 40), (20,), (10, 12)])
    refuse(root, "lacks 'shapes', or it is broken")
    file_stimuli(root, shapes=[(30, 40), (0, 20), (10, 12)])
    refuse(root, "has an image of 20×0 pixels")


@pytest.mark.parametrize("picture", [PICTURES[1] / 255, PICTURES[1][0], np.zeros((4, 4, 2), np.uint8)])
def test_arrays_that_are_no_images_are_refused_before_any_is_written(root, picture):
    array_stimuli(root, [PICTURES[0], PICTURES[1], picture])
    refuse(root, r"as stimulus 2: images are uint8, height × width")
    assert not (root / "cache").exists()
