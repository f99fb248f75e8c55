"""Micrographs of a folder: unreadable ones, splits, the cache, and real data."""

import mrcfile
import numpy as np
import pytest
from PIL import Image

from tests.support.micrograph_folders import HEIGHT, WIDTH, MicrographFolder
from trainables.settings import UsageError
from trainables.unet_selftrain import reading
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split, prepare
from trainables.unet_selftrain.downsampling import standardise


@pytest.fixture
def folder(tmp_path):
    return MicrographFolder(tmp_path)


# bad micrographs


def test_bad_micrographs_are_fatal_or_left_out_with_their_particles(folder):
    name = folder.load("train").names[0]
    Image.new("L", (WIDTH, HEIGHT), 9).save(folder.root / "images" / name)
    with pytest.raises(UsageError, match=rf"1 of \d micrographs cannot be read: {name} \(is constant\)"):
        folder.load("train", split_seed=0, radius=4.5)
    with pytest.warns(UserWarning, match="is constant"):
        splits = [folder.load(split, bad_images="skip") for split in ("train", "val")]
    assert splits[0].bad == ((name, "is constant"),)
    assert splits[0].describe()["left_out"] == 1
    for split in splits:
        assert name not in split.names
        for index, each in enumerate(split.names):
            np.testing.assert_array_equal(split.known_particles[index], np.array(folder.entries[each], np.float32))


# names


def test_every_micrograph_has_its_own_pixels_and_particles(folder):
    for split in folder.splits():
        for index, name in enumerate(split.names):
            pixels = np.asarray(Image.open(folder.root / "images" / name))
            np.testing.assert_array_equal(split.images[index], standardise(pixels, 1))
            np.testing.assert_array_equal(split.known_particles[index], np.array(folder.entries[name], np.float32))


@pytest.mark.parametrize("part", ["calibration", "scored"])
def test_validation_without_particles_in_one_of_its_parts_is_refused(folder, part):
    val = MicrographFolder(folder.root / "twin").load("val")  # the split is by name; what is loaded is kept
    for name, chosen in zip(val.names, val.calibration, strict=True):
        if chosen == (part == "calibration"):
            folder.entries[name] = []
    folder.write()
    with pytest.raises(UsageError, match=rf"none of the \d {part} micrographs.*data\.split_seed"):
        folder.load("val")


def test_a_radius_that_is_not_given_or_too_small_is_said(folder):
    with pytest.warns(UserWarning, match="data.radius is not given: the published 10 pixels"):
        folder.load(radius=None)
    with pytest.warns(UserWarning, match="lower downsample"):
        folder.load(downsample=4, radius=4.5)


def test_files_that_are_no_images_are_not_asked_for(folder):
    (folder.root / "images" / "notes.txt").write_text("by hand")
    (folder.root / "images" / "._0.png").write_bytes(b"of another system")
    assert sum(map(len, folder.splits())) == 10


def test_a_radius_of_another_scale_is_warned_of(folder):
    with pytest.warns(UserWarning, match=r"data\.radius=54 exceeds the median distance of 15\.0 pixels"):
        folder.load(radius=54.0)


# splits


@pytest.mark.parametrize("split_by", ["micrograph", "folder"])
def test_splits_share_nothing_and_leave_nothing_out(tmp_path, split_by):
    folder = MicrographFolder(tmp_path, 5, ("a", "b", "c", "d", "e/x", "e/y"))
    splits = folder.splits(split_by=split_by, val_share=0.4)
    assert sorted(name for split in splits for name in split.names) == sorted(folder.names)
    groups = [set(split.groups) for split in splits]
    shared = [groups[one] & groups[other] for one, other in [(0, 1), (0, 2), (1, 2)]]
    assert any(shared) == (split_by == "micrograph")
    assert set().union(*groups) == set("abcde")
    assert [split.calibration.any() for split in splits] == [False, True, False]
    marked = splits[1].calibration
    calibrated, judged = ({splits[1].groups[index] for index in np.flatnonzero(each)} for each in (marked, ~marked))
    if split_by == "folder":
        assert not calibrated & judged


def test_a_single_validation_folder_is_calibrated_by_micrograph(tmp_path):
    val = MicrographFolder(tmp_path, 4, ("a", "b", "c")).load("val", split_by="folder")
    assert len(set(val.groups)) == 1
    assert val.calibration.sum() == 1


def test_the_split_is_a_function_of_names_and_seed(folder):
    before = [split.names for split in folder.splits()]
    assert [len(each) for each in before] == [6, 2, 2]
    folder.entries = dict(reversed(folder.entries.items()))
    folder.write()
    assert [split.names for split in folder.splits(radius=3.0)] == before
    assert [split.names for split in folder.splits(split_seed=1)] != before


def test_too_few_micrographs_or_folders_say_how_many_are_needed(tmp_path):
    with pytest.raises(UsageError, match="need 3 micrographs or more, but images/ has 2: add some"):
        MicrographFolder(tmp_path / "two", 2).load()
    with pytest.raises(UsageError, match=r"need 3 folders or more, but images/ has 2: .*data\.split_by=micrograph"):
        MicrographFolder(tmp_path / "folders", 5, ("a", "b")).load(split_by="folder")
    with pytest.raises(UsageError, match=r"every micrograph in a folder below images/, but there is 0\.png, 1\.png"):
        MicrographFolder(tmp_path / "loose", 5).load(split_by="folder")
    with pytest.raises(UsageError, match=r"validation has a single micrograph.*data\.val_share=0\.25"):
        MicrographFolder(tmp_path / "four", 4).load("val")


def test_the_test_splits_micrographs_are_not_decoded_in_a_search(folder, monkeypatch):
    held_out = set(folder.load("test").names)
    names: list[str] = []
    real = reading._read_image
    monkeypatch.setattr(reading, "_read_image", lambda file: names.append(file.name) or real(file))
    data = Data(source="micrographs", root=str(folder.root), cache=str(folder.root / "second"), radius=4.0)
    prepare(Config(), data, ("train", "val"))
    assert sorted(names) == sorted(set(folder.names) - held_out)
    prepare(Config(), data, ("test",))
    assert sorted(names) == sorted(folder.names)


def test_another_radius_or_share_of_labels_decodes_nothing_again(folder, monkeypatch):
    folder.load()
    monkeypatch.setattr(reading, "_read_image", lambda _: pytest.fail("decoded again"))
    assert folder.load(radius=2.0, label_share=0.5).radius == 2.0


def test_a_change_in_the_middle_of_an_uncompressed_file_is_noticed(tmp_path):
    folder = MicrographFolder(tmp_path, 3)
    large = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    for name in folder.names:
        (tmp_path / "images" / name).unlink()
        mrcfile.write((tmp_path / "images" / name).with_suffix(".mrc"), large)
    folder.entries = {name.replace(".png", ".mrc"): [[5, 5]] for name in folder.names}
    folder.write()
    before = folder.load("test")
    with mrcfile.open(tmp_path / "images" / before.names[0], mode="r+") as mrc:
        mrc.data[90:110] = 0
    after = folder.load("test", radius=3.0)
    assert (after.images[0][90:110] != before.images[0][90:110]).any()


def test_downsampling_changes_pixels_and_not_points(folder):
    whole, half = folder.load(), folder.load(downsample=2)
    assert half.images[0].shape == (HEIGHT // 2, WIDTH // 2)
    np.testing.assert_array_equal(half.known_particles[0], whole.known_particles[0])
    np.testing.assert_allclose(half.downsample_points(half.known_particles[0]), (whole.known_particles[0] - 0.5) / 2)


# real data


def test_real_micrographs_load_split_and_lie_under_their_particles(real_data, tmp_path):
    root = real_data("cryoem")
    data = Data(source="micrographs", root=str(root), cache=str(tmp_path), radius=13.5, label_share=0.3)
    splits = [load_split(Config(downsample=2), data, split) for split in ("train", "val", "test")]
    facts = [split.describe() for split in splits]
    assert [len(split) for split in splits] == [12, 4, 4]
    assert sum(each["known_particles"] + each["hidden_particles"] for each in facts) == 12_923
    assert facts[0]["known_particles"] == pytest.approx(0.3 * facts[0]["hidden_particles"] / 0.7, rel=0.01)
    assert splits[1].calibration.sum() == 1
    for split in splits:
        for index in range(len(split)):
            image = split.image(index)
            assert image.shape == (488, 488)
            columns, rows = np.rint(split.downsample_points(split.particles(index))).astype(int).T
            assert image[rows, columns].mean() < -0.4  # particles are dark
            assert abs(image[columns, rows].mean()) < 0.2  # and not where x and y are swapped
