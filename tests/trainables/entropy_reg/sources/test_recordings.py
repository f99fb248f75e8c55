"""What all readers of files share: folds, the scale of fixations, and what does not fit."""

import warnings

import numpy as np
import pytest

from tests.support.gaze_folders import SIZES, central_fixations, folder_data, load_images, write_folder
from tests.support.tiny_gaze import config
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.sources import fixations
from trainables.entropy_reg.sources.recordings import assign_folds
from trainables.settings import UsageError

NAN = np.nan


# -- folds -------------------------------------------------------------------------------------------------------------


def test_folds_are_of_equal_size_and_hang_on_names_and_seed_alone():
    names = [f"image {number}.jpg" for number in range(23)]
    first = assign_folds(names, 5, 0)
    assert sorted(np.bincount(first, minlength=5).tolist()) == [4, 4, 5, 5, 5]
    order = np.random.default_rng(0).permutation(23)
    np.testing.assert_array_equal(assign_folds([names[place] for place in order], 5, 0), first[order])
    assert (assign_folds(names, 5, 1) != first).any()
    assert np.bincount(assign_folds(names[:5], 5, 3)).tolist() == [1] * 5


def test_fewer_images_than_folds_are_refused(folder):
    with pytest.raises(UsageError, match=r"6 images with fixations are too few for data\.folds=7: lower it"):
        load_split(config(), folder_data(folder, folds=7), "train")
    assert len(load_split(config(), folder_data(folder, folds=6), "test")) == 1


def test_splits_are_disjoint_and_cover_all_images_and_the_fold_before_the_test_one_is_validation(folder):
    parts = {}
    for fold in range(3):
        where = folder_data(folder, fold=fold)
        parts[fold] = {split: set(load_split(config(), where, split).names) for split in ("train", "val", "test")}
        assert sum(map(len, parts[fold].values())) == 6
        assert set().union(*parts[fold].values()) == {f"{name}.png" for name in SIZES}
    tests = [parts[fold]["test"] for fold in range(3)]
    assert set().union(*tests) == {f"{name}.png" for name in SIZES}
    assert sum(map(len, tests)) == 6
    for fold in range(3):
        assert parts[fold]["val"] == parts[(fold - 1) % 3]["test"]


def test_folds_do_not_change_with_the_order_of_the_rows_or_with_an_image_that_cannot_be_read(folder, tmp_path):
    names = {split: load_split(config(), folder_data(folder), split).names for split in ("train", "val", "test")}
    other = write_folder(tmp_path / "other", dict(reversed(SIZES.items())), central_fixations(SIZES)[::-1])
    assert {split: load_split(config(), folder_data(other), split).names for split in names} == names
    (other / "stimuli" / names["train"][0]).write_bytes(b"broken")
    with pytest.warns(UserWarning, match=names["train"][0]):
        assert load_split(config(), folder_data(other, bad_images="skip"), "train").names == names["train"][1:]
    assert load_split(config(), folder_data(other, bad_images="skip"), "test").names == names["test"]


def test_fixations_are_scaled_with_their_image(tmp_path):
    rows = [(name, "s", index, *point) for name in "abc" for index, point in enumerate([(20, 15), (40, 30)])]
    where = folder_data(write_folder(tmp_path, {"a": (80, 60), "b": (60, 80), "c": (160, 40)}, rows))
    pixels, seen = zip(*(load_images(where)[f"{name}.png"] for name in "abc"), strict=True)
    assert [each.shape for each in pixels] == [(48, 64, 3), (64, 48, 3), (48, 64, 3)]
    assert seen[0].points.tolist() == [[16, 12], [32, 24]]
    np.testing.assert_allclose(seen[1].points, [[16, 12], [32, 24]])
    np.testing.assert_allclose(seen[2].points, [[8, 18], [16, 36]])  # stretched: 0.4 in x, 1.2 in y
    np.testing.assert_allclose(seen[2].history[1], [[8, 18]] + [[NAN, NAN]] * 3)
    kept = load_images(where, config(shape="keep"))["c.png"]
    assert kept[0].shape == (16, 64, 3)
    np.testing.assert_allclose(kept[1].points, [[8, 6], [16, 12]])


def test_coordinates_for_an_image_of_another_aspect_ratio_are_refused(folder, monkeypatch):
    list_images = fixations.list_images

    def with_size(size):
        reader = lambda where: [each._replace(size=size) for each in list_images(where) if each.name in small]  # noqa: E731
        monkeypatch.setattr(fixations, "list_images", reader)

    small = {"a.png", "e.png", "f.png"}  # of four to three
    with_size((8000, 6000))
    enlarged = load_images(folder_data(folder, split_seed=1))["f.png"][1].points
    np.testing.assert_allclose(enlarged, [[64 * 64 / 8000, 48 * 48 / 6000], [65 * 64 / 8000, 48 * 48 / 6000]])
    with_size((60, 80))
    with pytest.raises(
        UsageError, match=r"\w\.png is \d+×\d+ pixels, but its fixations are for 60×80: give the images"
    ):
        load_split(config(), folder_data(folder, split_seed=2), "train")


def test_fixations_outside_are_counted_and_stay_in_the_history(tmp_path):
    rows = [*central_fixations(SIZES), ("a", "t", 0, 500, 20), ("a", "t", 1, 40, 30), ("a", "u", 0, -3, 0)]
    where = folder_data(write_folder(tmp_path, SIZES, rows))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, seen = load_images(where)["a.png"]
    said = [str(each.message) for each in caught]
    assert len(said) == 1
    assert said[0].startswith("2 of ")
    assert said[0].endswith(" fixations lie outside their image and are not scored.")
    assert len(seen.points) == 3
    assert seen.history[2, 0].tolist() == [400, 16]


def test_forced_first_fixations_are_history_and_are_not_counted_as_outside(folder, recwarn):
    found = load_images(folder_data(folder, first_fixation="history"))
    assert not [each for each in recwarn if "outside" in str(each.message)]
    assert all(len(each.points) == 1 for _, each in found.values())
    assert all(not np.isnan(each.history[0, 0]).any() for _, each in found.values())


def test_images_whose_fixations_all_lie_outside_are_left_out_and_all_such_images_are_an_error(tmp_path):
    rows = [(name, "s", 0, -5 if name in "ab" else 5, 5) for name in SIZES]
    where = folder_data(write_folder(tmp_path / "one", SIZES, rows))
    with pytest.warns(UserWarning, match="of . fixations lie outside"):
        assert sorted(load_images(where)) == ["c.png", "d.png", "e.png", "f.png"]
    nowhere = folder_data(write_folder(tmp_path / "two", SIZES, [(name, "s", 0, -5, 5) for name in SIZES]))
    with (
        pytest.warns(UserWarning, match="outside"),
        pytest.raises(UsageError, match=r"no fixation of these . images lies inside its image; check the coordinates"),
    ):
        load_split(config(), nowhere, "train")


def test_a_damaged_image_is_an_error_or_left_out(folder):
    names = load_split(config(), folder_data(folder), "train").names
    (folder / "stimuli" / names[1]).write_bytes(b"broken")
    fresh = {"cache": str(folder / "another")}
    with pytest.raises(UsageError, match=rf"{names[1]} .*data\.bad_images=skip"):
        load_split(config(), folder_data(folder, **fresh), "train")
    with pytest.warns(UserWarning, match=names[1]):
        left = load_split(config(), folder_data(folder, bad_images="skip", **fresh), "train")
    assert left.names == [names[0], *names[2:]]
    assert [name for name, _ in left.bad] == [names[1]]
    assert left.describe()["left_out"] == 1


def test_images_that_are_left_out_for_want_of_fixations_are_in_the_key(folder, tmp_path):
    """The files are the same, and the pixels are not."""
    whole = load_split(config(), folder_data(folder), "train")
    rows = [
        (name, *rest, -5 if f"{name}.png" == whole.names[0] else x, y) for name, *rest, x, y in central_fixations(SIZES)
    ]
    with pytest.warns(UserWarning, match="outside"):
        fewer = load_split(config(), folder_data(write_folder(tmp_path / "other", SIZES, rows)), "train")
    assert fewer.names == whole.names[1:]
    assert fewer.key != whole.key


def test_scanpaths_of_nothing_but_the_forced_fixation_are_told_of(tmp_path):
    rows = [(name, viewer, 0, 30, 20) for name in SIZES for viewer in "st"]
    root = write_folder(tmp_path / "data", SIZES, rows)
    with pytest.raises(UsageError, match=r"for the history alone: say data\.first_fixation=scored"):
        load_split(config(), folder_data(root, first_fixation="history"), "train")
    assert sum(len(each.points) for each in load_split(config(), folder_data(root), "train").fixations) == 4
