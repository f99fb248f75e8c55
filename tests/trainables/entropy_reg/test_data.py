"""Images and fixations of a folder: folds, sizes, and what is said of what does not fit."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainables.entropy_reg.features
from tests.support import tiny_gaze
from tests.support.gaze_folders import SIZES, central_fixations, write_folder
from trainables import registry as variants
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split, prepare
from trainables.entropy_reg.decoding import decode_image, network_shape
from trainables.entropy_reg.sources import fixations, recordings
from trainables.entropy_reg.sources.recordings import assign_folds
from trainables.settings import UsageError

NAN = np.nan


def config(**values) -> Config:
    return tiny_gaze.config(**values)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_folder(tmp_path / "data", SIZES, central_fixations(SIZES))


def data(folder: Path, **values) -> Data:
    settings = {"folds": 3, "source": "fixations", "root": str(folder), "cache": str(folder / "cache")}
    return Data(**{**settings, **values})


def every(where: Data, of: Config | None = None) -> dict:
    """Name → pixels and fixations, of all splits."""
    found = {}
    for split in ("train", "val", "test"):
        stimuli = load_split(of or config(), where, split)
        found |= dict(zip(stimuli.names, zip(stimuli.pixels, stimuli.fixations, strict=True), strict=True))
    return found


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
        load_split(config(), data(folder, folds=7), "train")
    assert len(load_split(config(), data(folder, folds=6), "test")) == 1


def test_splits_are_disjoint_and_cover_all_images_and_the_fold_before_the_test_one_is_validation(folder):
    parts = {}
    for fold in range(3):
        where = data(folder, fold=fold)
        parts[fold] = {split: set(load_split(config(), where, split).names) for split in ("train", "val", "test")}
        assert sum(map(len, parts[fold].values())) == 6
        assert set().union(*parts[fold].values()) == {f"{name}.png" for name in SIZES}
    tests = [parts[fold]["test"] for fold in range(3)]
    assert set().union(*tests) == {f"{name}.png" for name in SIZES}
    assert sum(map(len, tests)) == 6
    for fold in range(3):
        assert parts[fold]["val"] == parts[(fold - 1) % 3]["test"]


def test_folds_do_not_change_with_the_order_of_the_rows_or_with_an_image_that_cannot_be_read(folder, tmp_path):
    names = {split: load_split(config(), data(folder), split).names for split in ("train", "val", "test")}
    other = write_folder(tmp_path / "other", dict(reversed(SIZES.items())), central_fixations(SIZES)[::-1])
    assert {split: load_split(config(), data(other), split).names for split in names} == names
    (other / "stimuli" / names["train"][0]).write_bytes(b"broken")
    with pytest.warns(UserWarning, match=names["train"][0]):
        assert load_split(config(), data(other, bad_images="skip"), "train").names == names["train"][1:]
    assert load_split(config(), data(other, bad_images="skip"), "test").names == names["test"]


def test_only_the_test_split_opens_its_images(folder, monkeypatch):
    held_out = load_split(config(), data(folder), "test").names
    for name in held_out:
        (folder / "stimuli" / name).write_bytes(b"broken")
    opened = []
    original = trainables.entropy_reg.decoding.decode_image

    def record(file, size, shape):
        opened.append(file.name)
        return original(file, size, shape)

    monkeypatch.setattr(recordings, "decode_image", record)
    where = data(folder, cache=str(folder / "another"))
    prepare(config(), where, ("train", "val"))
    assert sorted(opened) == sorted({f"{name}.png" for name in SIZES} - set(held_out))
    with pytest.raises(UsageError, match=held_out[0]):
        load_split(config(), where, "test")


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "shape", "expected"),
    [
        ((400, 300), "stretch", (48, 64)),
        ((300, 400), "stretch", (64, 48)),
        ((1000, 100), "stretch", (48, 64)),
        ((77, 77), "stretch", (48, 64)),
        ((400, 300), "keep", (48, 64)),
        ((300, 400), "keep", (64, 48)),
        ((77, 77), "keep", (64, 64)),
        ((1600, 900), "keep", (36, 64)),
        ((1600, 1040), "keep", (40, 64)),  # 10.4 sixteenths
        ((1600, 1060), "keep", (44, 64)),  # 10.6 sixteenths
        ((1600, 10), "keep", (4, 64)),
    ],
)
def test_images_are_stretched_to_four_thirds_or_keep_their_aspect_ratio_to_a_sixteenth(stored, shape, expected):
    assert network_shape(stored, 64, shape) == expected


@pytest.mark.parametrize("size", [32, 48, 176, 1008])
def test_sides_are_multiples_of_four_and_the_longer_one_is_as_asked(size):
    for width in range(10, 400, 13):
        for shape in ("stretch", "keep"):
            found = network_shape((width, 200), size, shape)
            assert max(found) == found[int(width >= 200)] == size
            assert found[0] % 4 == found[1] % 4 == 0
            if shape == "keep":
                assert abs(min(found) / size - min(width, 200) / max(width, 200)) <= 1 / 32 + 4 / size


def test_fixations_are_scaled_with_their_image(tmp_path):
    rows = [(name, "s", index, *point) for name in "abc" for index, point in enumerate([(20, 15), (40, 30)])]
    where = data(write_folder(tmp_path, {"a": (80, 60), "b": (60, 80), "c": (160, 40)}, rows))
    pixels, seen = zip(*(every(where)[f"{name}.png"] for name in "abc"), strict=True)
    assert [each.shape for each in pixels] == [(48, 64, 3), (64, 48, 3), (48, 64, 3)]
    assert seen[0].points.tolist() == [[16, 12], [32, 24]]
    np.testing.assert_allclose(seen[1].points, [[16, 12], [32, 24]])
    np.testing.assert_allclose(seen[2].points, [[8, 18], [16, 36]])  # stretched: 0.4 in x, 1.2 in y
    np.testing.assert_allclose(seen[2].history[1], [[8, 18]] + [[NAN, NAN]] * 3)
    kept = every(where, config(shape="keep"))["c.png"]
    assert kept[0].shape == (16, 64, 3)
    np.testing.assert_allclose(kept[1].points, [[8, 6], [16, 12]])


def test_pixels_are_those_of_the_file_in_colour_and_at_the_size(tmp_path):
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:48, 64:] = (250, 10, 90)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = decode_image(tmp_path / "a.png", 64, "stretch")
    assert picture.size == (128, 96)
    assert picture.pixels.shape == (48, 64, 3)
    assert picture.pixels[3, 60].tolist() == [250, 10, 90]
    assert not picture.pixels[30:].any()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert decode_image(tmp_path / "grey.png", 64, "stretch").pixels[3, 60].tolist() == [250] * 3
    (tmp_path / "broken.png").write_bytes(b"broken")
    assert decode_image(tmp_path / "broken.png", 64, "stretch") == "no known image format"


def test_coordinates_for_an_image_of_another_aspect_ratio_are_refused(folder, monkeypatch):
    list_images = fixations.list_images

    def with_size(size):
        reader = lambda where: [each._replace(size=size) for each in list_images(where) if each.name in small]  # noqa: E731
        monkeypatch.setattr(fixations, "list_images", reader)

    small = {"a.png", "e.png", "f.png"}  # of four to three
    with_size((8000, 6000))
    enlarged = every(data(folder, split_seed=1))["f.png"][1].points
    np.testing.assert_allclose(enlarged, [[64 * 64 / 8000, 48 * 48 / 6000], [65 * 64 / 8000, 48 * 48 / 6000]])
    with_size((60, 80))
    with pytest.raises(
        UsageError, match=r"\w\.png is \d+×\d+ pixels, but its fixations are for 60×80: give the images"
    ):
        load_split(config(), data(folder, split_seed=2), "train")


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_fixations_outside_are_counted_and_stay_in_the_history(tmp_path):
    rows = [*central_fixations(SIZES), ("a", "t", 0, 500, 20), ("a", "t", 1, 40, 30), ("a", "u", 0, -3, 0)]
    where = data(write_folder(tmp_path, SIZES, rows))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, seen = every(where)["a.png"]
    said = [str(each.message) for each in caught]
    assert len(said) == 1
    assert said[0].startswith("2 of ")
    assert said[0].endswith(" fixations lie outside their image and are not scored.")
    assert len(seen.points) == 3
    assert seen.history[2, 0].tolist() == [400, 16]


def test_forced_first_fixations_are_history_and_are_not_counted_as_outside(folder, recwarn):
    found = every(data(folder, first_fixation="history"))
    assert not [each for each in recwarn if "outside" in str(each.message)]
    assert all(len(each.points) == 1 for _, each in found.values())
    assert all(not np.isnan(each.history[0, 0]).any() for _, each in found.values())


def test_images_whose_fixations_all_lie_outside_are_left_out_and_all_such_images_are_an_error(tmp_path):
    rows = [(name, "s", 0, -5 if name in "ab" else 5, 5) for name in SIZES]
    where = data(write_folder(tmp_path / "one", SIZES, rows))
    with pytest.warns(UserWarning, match="of . fixations lie outside"):
        assert sorted(every(where)) == ["c.png", "d.png", "e.png", "f.png"]
    nowhere = data(write_folder(tmp_path / "two", SIZES, [(name, "s", 0, -5, 5) for name in SIZES]))
    with (
        pytest.warns(UserWarning, match="outside"),
        pytest.raises(UsageError, match=r"no fixation of these . images lies inside its image; check the coordinates"),
    ):
        load_split(config(), nowhere, "train")


def test_a_damaged_image_is_an_error_or_left_out(folder):
    names = load_split(config(), data(folder), "train").names
    (folder / "stimuli" / names[1]).write_bytes(b"broken")
    fresh = {"cache": str(folder / "another")}
    with pytest.raises(UsageError, match=rf"{names[1]} .*data\.bad_images=skip"):
        load_split(config(), data(folder, **fresh), "train")
    with pytest.warns(UserWarning, match=names[1]):
        left = load_split(config(), data(folder, bad_images="skip", **fresh), "train")
    assert left.names == [names[0], *names[2:]]
    assert [name for name, _ in left.bad] == [names[1]]
    assert left.describe()["left_out"] == 1


def test_keys_are_those_of_pixels_and_not_of_fixations(folder, tmp_path):
    other = write_folder(
        tmp_path / "other", SIZES, [(*row[:3], row[3] + 1, row[4]) for row in central_fixations(SIZES)]
    )
    one, two = (load_split(config(), data(each), "train") for each in (folder, other))
    assert one.fixations[0].points.tolist() != two.fixations[0].points.tolist()
    assert one.key == two.key
    keys = [
        load_split(each, where, split).key
        for each, where, split in [
            (config(), data(folder), "val"),
            (config(shape="keep"), data(folder), "train"),
            (config(image_size=96), data(folder), "train"),
            (config(), data(folder, crop=0.9), "train"),
        ]
    ]
    assert len({str(key) for key in [one.key, *keys]}) == 5


def test_images_that_are_left_out_for_want_of_fixations_are_in_the_key(folder, tmp_path):
    """The files are the same, and the pixels are not."""
    whole = load_split(config(), data(folder), "train")
    rows = [
        (name, *rest, -5 if f"{name}.png" == whole.names[0] else x, y) for name, *rest, x, y in central_fixations(SIZES)
    ]
    with pytest.warns(UserWarning, match="outside"):
        fewer = load_split(config(), data(write_folder(tmp_path / "other", SIZES, rows)), "train")
    assert fewer.names == whole.names[1:]
    assert fewer.key != whole.key


def test_a_crop_makes_a_twin_of_the_same_images(folder):
    whole, cut = (load_split(config(), data(folder, crop=share), "train") for share in (1.0, 0.75))
    assert cut.shapes == [tuple(int(side * 0.75) // 4 * 4 for side in shape) for shape in whole.shapes]
    np.testing.assert_array_equal(cut.pixels[0], whole.pixels[0][: cut.shapes[0][0], : cut.shapes[0][1]])
    assert cut.fixations[0].points.tolist() == whole.fixations[0].points.tolist()


def test_a_split_is_made_once_for_all_trials_of_a_size(folder):
    where = data(folder)
    assert load_split(config(lr=0.5), where, "train") is load_split(config(batch_size=2), where, "train")


def test_scanpaths_of_nothing_but_the_forced_fixation_are_told_of(tmp_path):
    rows = [(name, viewer, 0, 30, 20) for name in SIZES for viewer in "st"]
    root = write_folder(tmp_path / "data", SIZES, rows)
    with pytest.raises(UsageError, match=r"for the history alone: say data\.first_fixation=scored"):
        load_split(config(), data(root, first_fixation="history"), "train")
    assert sum(len(each.points) for each in load_split(config(), data(root), "train").fixations) == 4


def test_a_backbone_that_is_not_there_is_told_before_any_trial(folder):
    with pytest.raises(UsageError, match="backbone=resnet19"):
        prepare(config(backbone="resnet19", layers="layer3"), data(folder), ("train",))
    with pytest.raises(UsageError, match="has no module 9"):
        prepare(config(layers="9"), data(folder), ("train",))


def test_preparing_computes_the_features_of_the_asked_splits_alone(folder, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(
        trainables.entropy_reg.features,
        "prepare_features",
        lambda config, where, stimuli: asked.extend(name for each in stimuli for name in each.names),
    )
    prepare(config(), data(folder), ("train", "val"))
    expected = [*load_split(config(), data(folder), "train").names, *load_split(config(), data(folder), "val").names]
    assert asked == expected
    assert len(expected) == 4


def test_what_is_prepared_is_all_that_a_training_needs(folder):
    def kept() -> set[str]:
        return {path.parent.name for path in (folder / "cache").glob("*-*/*")}

    prepare(config(), data(folder), ("train", "val"))
    before = kept()
    assert {name.partition("-")[0] for name in before} >= {"features", "centre"}
    for kind in ("grey3", "grey", "rgb_random"):
        tiny = {**tiny_gaze.SETTINGS, "regulariser": "entropy", "uniform_kind": kind, "lr": 0.1}
        variants.load("entropy_reg").build(Config(**tiny), data(folder), device="cpu", seed=3)
    assert kept() == before
    prepare(config(), data(folder, features="live"), ("test",))
    assert {name for name in kept() - before if name.startswith("features")} == set()


def test_real_images_are_folded_and_read_with_their_fixations(real_data, tmp_path):
    where = Data(source="fixations", root=str(real_data("fixations")), cache=str(tmp_path))
    train, val = (load_split(config(), where, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (560, 70)
    assert set(train.names).isdisjoint(val.names)
    assert set(train.shapes) == {(48, 64)}
    assert sum(len(each.points) for each in train.fixations) > 75_000
