"""pysaliency's files: every kind of stimuli and fixations, scanpaths from single fixations, and what is refused.

The files are written here as pysaliency writes them, from its source.
"""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.sources.pysaliency import list_images
from trainables.settings import UsageError

NAN = np.nan
NAMES = ["im2.png", "im10.png", "im1.png"]
PICTURES = [np.random.default_rng(index).integers(0, 255, shape, dtype=np.uint8)
            for index, shape in enumerate([(30, 40, 3), (20, 50), (10, 12, 1)])]  # fmt: skip
PATHS = [(2, [[1.5, 2], [3, 4], [5, 6]]), (0, [[7, 8]]), (2, [[1.5, 2], [9, 10]]), (0, []), (0, [[7, 8], [11, 99]])]
EXPECTED = {"im1.png": [PATHS[0][1], PATHS[2][1]], "im2.png": [PATHS[1][1], PATHS[4][1]]}


def write(root: Path, name: str, kind: str, version: str, arrays: dict, group: str | None = None, **attributes) -> None:
    with h5py.File(root / name, "w") as file:
        target = file
        if group is not None:
            file.attrs["type"], file.attrs["version"] = np.bytes_("ScanpathFixations"), np.bytes_("1.0")
            target = file.create_group(group)
        target.attrs["type"], target.attrs["version"] = np.bytes_(kind), np.bytes_(version)
        for key, value in attributes.items():
            target.attrs[key] = value
        for key, value in arrays.items():
            target.create_dataset(key, data=value)


def file_stimuli(root: Path, names=NAMES, version="2.1", folder="stimuli/", shapes=None) -> None:
    write(root, "stimuli.hdf5", "FileStimuli", version, {}, size=len(names))
    with h5py.File(root / "stimuli.hdf5", "a") as file:
        file.create_dataset("filenames", data=[f"{folder}{name}".encode() for name in names],
                            dtype=h5py.special_dtype(vlen=str))  # fmt: skip
        stored = file.create_dataset("shapes", (len(names),), dtype=h5py.special_dtype(vlen=np.dtype("int64")))
        for index, shape in enumerate(shapes or [picture.shape for picture in PICTURES[: len(names)]]):
            stored[index] = np.array(shape)


def array_stimuli(root: Path, pictures=PICTURES) -> None:
    arrays = {str(index): picture for index, picture in enumerate(pictures)}
    write(root, "stimuli.hdf5", "Stimuli", "1.1", arrays, size=len(pictures))


def pad(paths, filler=NAN, axis=0) -> np.ndarray:
    rows = np.full((len(paths), max(map(len, paths)) + 1), filler)
    for row, path in zip(rows, paths, strict=True):
        row[: len(path)] = [point[axis] for point in path]
    return rows


def scanpaths(paths=PATHS, filler=77.0, **changed) -> dict:
    """Return the arrays of Scanpaths; values beyond a path's length have no meaning."""
    points = [path for _, path in paths]
    arrays = {"xs": pad(points, filler), "ys": pad(points, filler, 1), "n": [number for number, _ in paths]}
    return arrays | {"length": [len(path) for path in points]} | changed


def trains(paths=PATHS) -> dict:
    points = [path for _, path in paths]
    return {"train_xs": pad(points), "train_ys": pad(points, axis=1), "train_ns": [number for number, _ in paths]}


def single(paths=PATHS, keep=lambda length: True, lengths=True, subjects="subject", **more) -> dict:
    """Return the arrays of Fixations with their histories; `keep` selects by the length of the history."""
    rows = [(number, subject, path, index) for subject, (number, path) in enumerate(paths)
            for index in range(len(path)) if keep(index)]  # fmt: skip
    history = [path[:index] for _, _, path, index in rows]
    arrays = {
        "x": [path[index][0] for _, _, path, index in rows],
        "y": [path[index][1] for _, _, path, index in rows],
        "n": [row[0] for row in rows],
        subjects: [row[1] for row in rows],
        "x_hist": pad(history),
        "y_hist": pad(history, axis=1),
    }
    return arrays | ({"lengths": [len(each) for each in history]} if lengths else {}) | more


@pytest.fixture
def root(tmp_path):
    (tmp_path / "stimuli").mkdir()
    for name, picture in zip(NAMES, PICTURES, strict=True):
        Image.fromarray(picture.squeeze()).save(tmp_path / "stimuli" / name)
    file_stimuli(tmp_path)
    write(tmp_path, "fixations.hdf5", "Scanpaths", "1.0", scanpaths())
    return tmp_path


def read(root: Path, first="scored"):
    return list_images(Data(source="pysaliency", root=str(root), cache=str(root / "cache"), first_fixation=first))


def scanpaths_by_name(root: Path, first="scored") -> dict:
    return {each.name: [path.tolist() for path in each.scanpaths] for each in read(root, first)}


def refuse(root: Path, sentence: str, first="scored") -> None:
    with pytest.raises(UsageError, match=sentence):
        read(root, first)


# fixations

KINDS = {
    "Scanpaths": ("Scanpaths", scanpaths(), None),
    "ScanpathFixations": ("Scanpaths", scanpaths(), "scanpaths"),
    "FixationTrains 1.2": ("FixationTrains", trains(), None),
    "FixationTrains 1.3": ("FixationTrains", trains() | {"train_lengths": [3, 1, 2, 0, 2]}, None),
    "Fixations 1.0": ("Fixations", single(lengths=False, subjects="subjects"), None),
    "Fixations 1.2": ("Fixations", single(), None),
    "Fixations of one subject": ("Fixations", single(subject=[0] * 8), None),
    "Fixations without subjects": ("Fixations", single(subjects="scanpath_index"), None),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["fixations.hdf5", "scanpaths.hdf5"])
def test_every_kind_of_fixations_gives_the_same_scanpaths(root, kind, name):
    (root / "fixations.hdf5").unlink()
    of, arrays, group = KINDS[kind]
    write(root, name, of, kind[-3:], arrays, group)
    assert {key: sorted(paths) for key, paths in scanpaths_by_name(root).items()} == EXPECTED
    assert list(scanpaths_by_name(root)) == ["im1.png", "im2.png"]  # the third image has no fixation
    if kind != "Fixations of one subject":  # there, the two that begin alike may change places
        assert scanpaths_by_name(root) == EXPECTED
    assert {path.dtype for each in read(root) for path in each.scanpaths} == {np.dtype(np.float32)}


@pytest.mark.parametrize("seed", range(4))
def test_single_fixations_in_any_order_are_put_together(root, seed):
    rng = np.random.default_rng(seed)
    paths = [(index % 3, [[15, 15], *rng.uniform(0, 30, (rng.integers(1, 9), 2)).tolist()]) for index in range(20)]
    arrays = single(paths, subject=rng.integers(0, 2, sum(len(path) for _, path in paths)) * 0)
    order = rng.permutation(len(arrays["x"]))
    write(root, "fixations.hdf5", "Fixations", "1.2", {key: np.asarray(each)[order] for key, each in arrays.items()})
    expected = {name: [np.float32(path).tolist() for number, path in paths if number == index]
                for index, name in enumerate(NAMES)}  # fmt: skip
    assert {name: sorted(each) for name, each in scanpaths_by_name(root).items()} == {k: sorted(v) for k, v in expected.items()}


def test_what_begins_alike_is_parted_by_subject_and_index(root):
    paths = [(0, [[1, 1], [2, 2]]), (0, [[1, 1]])]
    for key, expected in (("subject", [[[1, 1], [2, 2]], [[1, 1]]]), ("scanpath_index", [[[1, 1], [2, 2]], [[1, 1]]])):
        write(root, "fixations.hdf5", "Fixations", "1.2", single(paths, subjects=key))
        assert scanpaths_by_name(root) == {"im2.png": expected}
    swapped = single(paths, subject=[0, 1, 0])  # the longer path's beginning is another subject's
    write(root, "fixations.hdf5", "Fixations", "1.2", swapped)
    refuse(root, "such as fixation 1 of a scanpath")


def test_fixations_without_their_first_ones_are_whole_where_these_are_not_scored(root):
    write(root, "fixations.hdf5", "Fixations", "1.2", single(keep=lambda length: length > 0))
    refuse(root, r"such as fixation 1 of a scanpath, which must not be scored: say data\.first_fixation=history, or")
    assert scanpaths_by_name(root, "history") == {"im1.png": EXPECTED["im1.png"], "im2.png": [PATHS[4][1]]}


@pytest.mark.parametrize("first", ["scored", "history"])
def test_fixations_that_lack_one_within_a_scanpath_are_refused(root, first):
    write(root, "fixations.hdf5", "Fixations", "1.2", single(keep=lambda length: length != 1))
    refuse(root, r"such as fixation 2 of a scanpath, which must not be scored: write whole scanpaths", first)


def test_fixations_without_histories_are_scanpaths_of_one(root):
    arrays = single() | {"x_hist": np.full((8, 1), NAN), "y_hist": np.full((8, 1), NAN), "lengths": [0] * 8}
    write(root, "fixations.hdf5", "Fixations", "1.2", arrays)
    assert scanpaths_by_name(root)["im1.png"] == [[[1.5, 2]], [[3, 4]], [[5, 6]], [[1.5, 2]], [[9, 10]]]
    refuse(root, r"one fixation in each scanpath, and none is scored: say data\.first_fixation=scored", "history")


# stimuli


def test_files_are_found_beside_the_table_with_the_size_of_the_coordinates(root):
    first, second = read(root)
    assert (first.file, first.size) == (root / "stimuli" / "im1.png", (12, 10))
    assert (second.file, second.size) == (root / "stimuli" / "im2.png", (40, 30))
    moved = root.rename(root.with_name("moved"))
    assert read(moved)[0].file == moved / "stimuli" / "im1.png"


def test_absolute_names_and_those_of_windows_are_found(root):
    file_stimuli(root, version="1.0", folder=f"{root}/stimuli/")
    assert [each.file for each in read(root)] == [root / "stimuli" / "im1.png", root / "stimuli" / "im2.png"]
    file_stimuli(root, folder="stimuli\\")
    assert [each.file for each in read(root)] == [root / "stimuli" / "im1.png", root / "stimuli" / "im2.png"]


def test_images_of_one_name_have_their_folder_in_it(root):
    (root / "stimuli" / "b").mkdir()
    (root / "stimuli" / "im1.png").rename(root / "stimuli" / "b" / "im2.png")
    file_stimuli(root, ["im2.png", "im10.png", "b/im2.png"])
    assert list(scanpaths_by_name(root)) == ["stimuli/b/im2.png", "stimuli/im2.png"]


def test_arrays_are_written_once_without_loss(root):
    array_stimuli(root)
    first, second = read(root)
    assert (first.name, first.size, second.name, second.size) == ("0.png", (40, 30), "2.png", (12, 10))
    np.testing.assert_array_equal(np.asarray(Image.open(first.file)), PICTURES[0])
    np.testing.assert_array_equal(np.asarray(Image.open(second.file)), PICTURES[2][..., 0])
    assert sorted(file.name for file in first.file.parent.iterdir()) == ["0.png", "2.png"]
    os.utime(first.file, (1, 1))
    second.file.unlink()  # as if writing had been interrupted before it
    assert [each.file for each in read(root)] == [first.file, second.file]
    assert first.file.stat().st_mtime == 1
    assert second.file.is_file()


def test_other_arrays_are_other_files(root):
    array_stimuli(root)
    before = read(root)[0].file
    array_stimuli(root, [255 - picture for picture in PICTURES])
    after = read(root)[0].file
    assert before != after
    np.testing.assert_array_equal(np.asarray(Image.open(after)), 255 - PICTURES[0])


def test_numbers_of_arrays_sort_as_numbers_do(root):
    array_stimuli(root, [PICTURES[1]] * 11)
    write(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths([(number, [[1, 1]]) for number in (10, 9, 0)]))
    assert [each.name for each in read(root)] == ["00.png", "09.png", "10.png"]


# what is refused

REFUSED = {
    "no finite number in row 2 of 'xs'": {"xs": [[1, 1, 1], [1, 1, 1], [1, np.inf, 1], [1, 1, 1], [1, 1, 1]],
                                           "ys": np.ones((5, 3))},
    "no finite number in row 0 of 'xs' or 'ys'": {"ys": pad([path[:2] for _, path in PATHS]) * 0 + 1,
                                                  "xs": np.full((5, 3), NAN)},
    r"row 1 of 'length', is 9, but there are 4 columns": {"length": [3, 9, 2, 0, 2]},
    r"row 3 of 'length', is -1": {"length": [3, 1, 2, -1, 2]},
    r"unlike numbers of rows, 5 of 'xs', 4 of 'length'": {"length": [3, 1, 2, 0]},
    r"unlike numbers of rows, 5 of 'xs', 1 of 'n'": {"n": [1]},
    r"'xs' and 'ys' of unlike shapes": {"ys": np.ones((5, 2))},
    r"has float64 \[5\] as 'xs'": {"xs": np.ones(5)},
    r"has float64 \[5\] as 'n'": {"n": np.ones(5)},
    r"fixations on stimulus 3, but stimuli\.hdf5 has 3, counted from 0": {"n": [0, 1, 3, 0, 2]},
    r"fixations on stimulus -1, but": {"n": [0, 1, -1, 0, 2]},
    r"has no fixations": {"length": [0] * 5},
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "changed"), REFUSED.items())
def test_what_cannot_be_right_is_refused(root, sentence, changed):
    write(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths(**changed))
    refuse(root, sentence)


@pytest.mark.parametrize("lacking", ["xs", "ys", "n"])
def test_a_missing_array_is_named(root, lacking):
    arrays = scanpaths()
    del arrays[lacking]
    write(root, "fixations.hdf5", "Scanpaths", "1.0", arrays)
    refuse(root, rf"fixations\.hdf5 lacks '{lacking}', or it is broken")


def test_single_fixations_that_are_not_finite_or_not_as_many_are_refused(root):
    for changed, sentence in (
        ({"x": [NAN] * 8}, "no finite number in row 0 of 'x' or 'y'"),
        ({"y": [1.0] * 7}, "unlike numbers of rows, 8 of 'x_hist', 8 of 'x', 7 of 'y', 8 of 'n'"),
        ({"subject": [1] * 7}, "unlike numbers of rows"),
    ):
        write(root, "fixations.hdf5", "Fixations", "1.2", single() | changed)
        refuse(root, sentence)


def test_missing_and_broken_files_are_refused(root):
    write(root, "scanpaths.hdf5", "Scanpaths", "1.0", scanpaths())
    refuse(root, r"has both of fixations\.hdf5 and scanpaths\.hdf5")
    (root / "scanpaths.hdf5").unlink()
    (root / "fixations.hdf5").write_bytes(b"no HDF5")
    refuse(root, r"fixations\.hdf5 is no HDF5 file: write it anew")
    (root / "fixations.hdf5").unlink()
    refuse(root, r"has neither of fixations\.hdf5 and scanpaths\.hdf5")
    write(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths())
    (root / "stimuli.hdf5").unlink()
    refuse(root, r"stimuli\.hdf5 is missing: data\.root is the folder")


def test_other_contents_are_refused(root):
    write(root, "stimuli.hdf5", "Pictures", "1.0", {})
    refuse(root, r"stimuli\.hdf5 holds 'Pictures': give what pysaliency writes of FileStimuli or Stimuli")
    write(root, "fixations.hdf5", "SaccadeTrains", "1.0", {})
    refuse(root, r"fixations\.hdf5 holds 'SaccadeTrains': give what pysaliency writes of ScanpathFixations")


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
