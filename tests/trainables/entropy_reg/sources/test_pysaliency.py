"""pysaliency's fixations: every type of them, scanpaths from single fixations, and what is refused."""

import numpy as np
import pytest

from tests.support.pysaliency_files import (
    EXPECTED,
    NAMES,
    NAN,
    PATHS,
    pad,
    read_images,
    refuse,
    scanpaths,
    scanpaths_by_name,
    single,
    trains,
    write_data_set,
    write_hdf5,
)


@pytest.fixture
def root(tmp_path):
    """Write a data set of three images and four scanpaths."""
    return write_data_set(tmp_path)


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
    write_hdf5(root, name, of, kind[-3:], arrays, group)
    assert {key: sorted(paths) for key, paths in scanpaths_by_name(root).items()} == EXPECTED
    assert list(scanpaths_by_name(root)) == ["im1.png", "im2.png"]  # the third image has no fixation
    if kind != "Fixations of one subject":  # there, the two that begin alike may change places
        assert scanpaths_by_name(root) == EXPECTED
    assert {path.dtype for each in read_images(root) for path in each.scanpaths} == {np.dtype(np.float32)}


@pytest.mark.parametrize("seed", range(4))
def test_single_fixations_in_any_order_are_put_together(root, seed):
    rng = np.random.default_rng(seed)
    paths = [(index % 3, [[15, 15], *rng.uniform(0, 30, (rng.integers(1, 9), 2)).tolist()]) for index in range(20)]
    arrays = single(paths, subject=rng.integers(0, 2, sum(len(path) for _, path in paths)) * 0)
    order = rng.permutation(len(arrays["x"]))
    write_hdf5(
        root, "fixations.hdf5", "Fixations", "1.2", {key: np.asarray(each)[order] for key, each in arrays.items()}
    )
    expected = {name: [np.float32(path).tolist() for number, path in paths if number == index]
                for index, name in enumerate(NAMES)}  # fmt: skip
    assert {name: sorted(each) for name, each in scanpaths_by_name(root).items()} == {
        k: sorted(v) for k, v in expected.items()
    }


def test_what_begins_alike_is_parted_by_subject_and_index(root):
    paths = [(0, [[1, 1], [2, 2]]), (0, [[1, 1]])]
    for key, expected in (("subject", [[[1, 1], [2, 2]], [[1, 1]]]), ("scanpath_index", [[[1, 1], [2, 2]], [[1, 1]]])):
        write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", single(paths, subjects=key))
        assert scanpaths_by_name(root) == {"im2.png": expected}
    swapped = single(paths, subject=[0, 1, 0])  # the longer path's beginning is another subject's
    write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", swapped)
    refuse(root, "such as fixation 1 of a scanpath")


def test_fixations_without_their_first_ones_are_whole_where_these_are_not_scored(root):
    write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", single(keep=lambda length: length > 0))
    refuse(root, r"such as fixation 1 of a scanpath, which must not be scored: say data\.first_fixation=history, or")
    assert scanpaths_by_name(root, "history") == {"im1.png": EXPECTED["im1.png"], "im2.png": [PATHS[4][1]]}


@pytest.mark.parametrize("first", ["scored", "history"])
def test_fixations_that_lack_one_within_a_scanpath_are_refused(root, first):
    write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", single(keep=lambda length: length != 1))
    refuse(root, r"such as fixation 2 of a scanpath, which must not be scored: write whole scanpaths", first)


def test_fixations_without_histories_are_scanpaths_of_one(root):
    arrays = single() | {"x_hist": np.full((8, 1), NAN), "y_hist": np.full((8, 1), NAN), "lengths": [0] * 8}
    write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", arrays)
    assert scanpaths_by_name(root)["im1.png"] == [[[1.5, 2]], [[3, 4]], [[5, 6]], [[1.5, 2]], [[9, 10]]]
    refuse(root, r"one fixation in each scanpath, and none is scored: say data\.first_fixation=scored", "history")


# what is refused

REFUSED = {
    "no finite number in row 2 of 'xs'": {"xs": [[1, 1, 1], [1, 1, 1], [1, np.inf, 1], [1, 1, 1], [1, 1, 1]],
                                           "ys": np.ones((5, 3))},
    "no finite number in row 0 of 'xs' or 'ys'": {"ys": pad([path[:2] for _, path in PATHS]) * 0 + 1,
                                                  "xs": np.full((5, 3), NAN)},
    r"row 1 of 'length', is 9, but there are 4 columns": {"length": [3, 9, 2, 0, 2]},
    r"row 3 of 'length', is -1": {"length": [3, 1, 2, -1, 2]},
    r"different numbers of rows, 5 of 'xs', 4 of 'length'": {"length": [3, 1, 2, 0]},
    r"different numbers of rows, 5 of 'xs', 1 of 'n'": {"n": [1]},
    r"'xs' and 'ys' of different shapes": {"ys": np.ones((5, 2))},
    r"has float64 \[5\] as 'xs'": {"xs": np.ones(5)},
    r"has float64 \[5\] as 'n'": {"n": np.ones(5)},
    r"fixations on stimulus 3, but stimuli\.hdf5 has 3, counted from 0": {"n": [0, 1, 3, 0, 2]},
    r"fixations on stimulus -1, but": {"n": [0, 1, -1, 0, 2]},
    r"has no fixations": {"length": [0] * 5},
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "changed"), REFUSED.items())
def test_what_cannot_be_right_is_refused(root, sentence, changed):
    write_hdf5(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths(**changed))
    refuse(root, sentence)


@pytest.mark.parametrize("lacking", ["xs", "ys", "n"])
def test_a_missing_array_is_named(root, lacking):
    arrays = scanpaths()
    del arrays[lacking]
    write_hdf5(root, "fixations.hdf5", "Scanpaths", "1.0", arrays)
    refuse(root, rf"fixations\.hdf5 lacks '{lacking}', or it is broken")


def test_single_fixations_that_are_not_finite_or_not_as_many_are_refused(root):
    for changed, sentence in (
        ({"x": [NAN] * 8}, "no finite number in row 0 of 'x' or 'y'"),
        ({"y": [1.0] * 7}, "different numbers of rows, 8 of 'x_hist', 8 of 'x', 7 of 'y', 8 of 'n'"),
        ({"subject": [1] * 7}, "different numbers of rows"),
    ):
        write_hdf5(root, "fixations.hdf5", "Fixations", "1.2", single() | changed)
        refuse(root, sentence)


def test_missing_and_broken_files_are_refused(root):
    write_hdf5(root, "scanpaths.hdf5", "Scanpaths", "1.0", scanpaths())
    refuse(root, r"has both of fixations\.hdf5 and scanpaths\.hdf5")
    (root / "scanpaths.hdf5").unlink()
    (root / "fixations.hdf5").write_bytes(b"no HDF5")
    refuse(root, r"fixations\.hdf5 is no HDF5 file: write it again")
    (root / "fixations.hdf5").unlink()
    refuse(root, r"has neither of fixations\.hdf5 and scanpaths\.hdf5")
    write_hdf5(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths())
    (root / "stimuli.hdf5").unlink()
    refuse(root, r"stimuli\.hdf5 is missing: data\.root is the folder")


def test_other_contents_are_refused(root):
    write_hdf5(root, "stimuli.hdf5", "Pictures", "1.0", {})
    refuse(root, r"stimuli\.hdf5 holds 'Pictures': give what pysaliency writes of FileStimuli or Stimuli")
    write_hdf5(root, "fixations.hdf5", "SaccadeTrains", "1.0", {})
    refuse(root, r"fixations\.hdf5 holds 'SaccadeTrains': give what pysaliency writes of ScanpathFixations")
