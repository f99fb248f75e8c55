"""The cache of decoded files as such: arrays of any shapes. What it does for images is in `test_images.py`."""

from pathlib import Path

import numpy as np
import pytest

from trainables.images.cache import Picture, decode_file, decode_files
from trainables.settings import UsageError

SHAPES = [(3, 5), (4, 2, 3), (1, 1), (7, 2)]


def write(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files = []
    for place, shape in enumerate(SHAPES):
        files.append(folder / f"{place}.npy")
        np.save(files[-1], rng.integers(0, 256, shape, dtype=np.uint8))
    return files


def decode(file: Path) -> Picture | str:
    try:
        pixels = np.load(file)
    except ValueError:
        return "is no array"
    return Picture(pixels, (10 * pixels.shape[1], 10 * pixels.shape[0]))


def stored(files, cache, *, method=("test", 1), bad_images="fatal", how=decode):
    return decode_files(files, how, method=method, cache=cache, bad_images=bad_images, title="arrays")


def test_every_array_comes_back_with_its_own_shape_and_pixels(tmp_path):
    files = write(tmp_path / "files")
    arrays = stored(files, tmp_path / "cache")
    assert len(arrays) == len(list(arrays)) == len(SHAPES)
    for array, file, shape in zip(arrays, files, SHAPES, strict=True):
        assert (array.shape, array.dtype) == (shape, np.uint8)
        np.testing.assert_array_equal(array, np.load(file))
    np.testing.assert_array_equal(arrays[-1], arrays[3])
    np.testing.assert_array_equal(arrays.sizes, [[50, 30], [20, 40], [10, 10], [20, 70]])
    with pytest.raises(IndexError):
        arrays[len(SHAPES)]


def test_arrays_are_read_only_views_of_one_mapped_file(tmp_path):
    arrays = stored(write(tmp_path / "files"), tmp_path / "cache")
    assert all(np.shares_memory(each, arrays.pixels) for each in arrays)
    assert isinstance(arrays.pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        arrays[1][0] = 0


def test_a_bad_file_between_good_ones_shifts_no_array(tmp_path):
    files = write(tmp_path / "files")
    intact = [np.load(file) for file in files]
    files[1].write_bytes(b"none")
    with pytest.warns(UserWarning, match=r"1 of 4 arrays cannot be read: 1\.npy \(is no array\)"):
        arrays = stored(files, tmp_path / "cache", bad_images="skip")
    np.testing.assert_array_equal(arrays.indices, [0, 2, 3])
    for array, place in zip(arrays, arrays.indices, strict=True):
        np.testing.assert_array_equal(array, intact[place])
    assert arrays.bad == (("1.npy", "is no array"),)
    with pytest.raises(UsageError, match=r"data\.bad_images=skip"):
        stored(files, tmp_path / "cache")


def test_the_method_is_part_of_the_key_and_the_second_call_decodes_nothing(tmp_path):
    files, decoded = write(tmp_path / "files"), []

    def counted(file: Path) -> Picture | str:
        decoded.append(file)
        return decode(file)

    for method in (("test", 1), ("test", 1), ("test", 2)):
        stored(files, tmp_path / "cache", method=method, how=counted)
    assert len(decoded) == 2 * len(files)


def test_hundreds_of_files_come_in_order(tmp_path):
    """More than are in flight at once."""
    files = [tmp_path / f"{place}.npy" for place in range(300)]
    for place, file in enumerate(files):
        np.save(file, np.full((1, 1 + place % 3), place % 256, np.uint8))
    arrays = stored(files, tmp_path / "cache")
    assert [int(each[0, 0]) for each in arrays] == [place % 256 for place in range(300)]
    assert [each.shape[1] for each in arrays] == [1 + place % 3 for place in range(300)]


def test_a_missing_file_is_not_decoded_but_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.npy cannot be read: no such file"):
        decode_file(tmp_path / "gone.npy", lambda _: pytest.fail("decoded"))
    with pytest.raises(UsageError, match=r"gone\.npy \(no such file"):
        stored([tmp_path / "gone.npy"], tmp_path / "cache", how=lambda _: pytest.fail("decoded"))
