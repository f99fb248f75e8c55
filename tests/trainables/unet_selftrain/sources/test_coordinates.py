"""`coordinates.json`: names that do not match, and entries that hold no points."""

import json

import numpy as np
import pytest

from tests.support.micrograph_folders import MicrographFolder
from trainables.settings import UsageError


@pytest.fixture
def folder(tmp_path):
    return MicrographFolder(tmp_path)


def test_an_empty_list_is_a_micrograph_without_particles(folder):
    name = next(each for each in folder.names if each in MicrographFolder(folder.root / "twin").load("train").names)
    folder.entries[name] = []
    folder.write()
    found = {
        name: points
        for split in folder.splits()
        for name, points in zip(split.names, split.known_particles, strict=True)
    }
    assert found[name].shape == (0, 2)
    assert found[name].dtype == np.float32


def test_a_name_that_does_not_match_is_an_error_and_no_empty_mask(folder):
    """The published code took a missing key for a micrograph without particles."""
    entries = dict(folder.entries)
    folder.entries = {name.removesuffix(".png"): points for name, points in entries.items()}
    folder.write()
    with pytest.raises(UsageError, match=r"coordinates\.json names what images/ does not hold: 0, 1, 2 and 7 more"):
        folder.load()
    folder.entries = {name: points for name, points in entries.items() if name not in ("4.png", "7.png")}
    folder.write()
    with pytest.raises(UsageError, match=r"lacks 4\.png, 7\.png: .*empty list"):
        folder.load()


def test_one_name_in_two_subfolders_asks_for_paths_and_takes_them(tmp_path):
    folder = MicrographFolder(tmp_path, 4, ("a", "b/c"))
    assert {split.groups[0] for split in folder.splits()} <= {"a", "b"}
    paths = folder.entries
    folder.entries = {name.rpartition("/")[2]: points for name, points in paths.items()}
    folder.write()
    with pytest.raises(UsageError, match=r"'0\.png' .* may be a/0\.png, b/c/0\.png: give paths relative to images/"):
        folder.load(radius=3.0)


def test_a_name_may_stand_for_a_path_where_only_one_file_has_it(tmp_path):
    folder = MicrographFolder(tmp_path, 4, ("a",))
    by_path = folder.load().known_particles
    folder.entries = {name.rpartition("/")[2]: points for name, points in folder.entries.items()}
    folder.write()
    for one, other in zip(folder.load(radius=3.0).known_particles, by_path, strict=True):
        np.testing.assert_array_equal(one, other)
    folder.entries["a/1.png"] = []
    folder.write()
    with pytest.raises(UsageError, match=r"a/1\.png has two entries"):
        folder.load(radius=2.0)


def test_a_key_that_stands_twice_loses_no_particles_in_silence(folder):
    folder.write(json.dumps(folder.entries)[:-1] + ', "2.png": []}')
    with pytest.raises(UsageError, match=r"'2\.png' has two entries"):
        folder.load()


@pytest.mark.parametrize("point", [[5, 50], [61, 5], [-3, 5], [500, 300]])
def test_a_particle_outside_its_micrograph_is_named_with_the_size(folder, point):
    name = folder.load().names[0]
    folder.entries[name] = [[5, 5], point]
    folder.write()
    index = rf"x={point[0]}, y={point[1]}, outside its 60×40 pixels \(1 of 2"
    with pytest.raises(UsageError, match=rf"{name} has a particle at {index}.*x is the column"):
        folder.load(radius=3.0)


def test_a_particle_on_the_border_is_inside(folder):
    name = folder.load().names[0]
    folder.entries[name] = [[0, 0], [59.5, 39.5], [60, 40]]
    folder.write()
    assert len(folder.load(radius=3.0).known_particles[0]) == 3


@pytest.mark.parametrize(
    "entry", [[["5", "6"]], [[1, 2, 3]], [[1, 2], [3]], [1, 2], {"x": 1}, None, [[True, False]], 7]
)
def test_what_is_no_pair_of_numbers_is_named(folder, entry):
    folder.entries["5.png"] = entry
    folder.write()
    with pytest.raises(UsageError, match=r"'5\.png' in coordinates\.json is no list of pairs of numbers"):
        folder.load()


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_coordinates_that_are_not_finite_are_named(folder, value):
    folder.write(json.dumps(folder.entries | {"5.png": [[1, 777]]}).replace("777", value))
    with pytest.raises(UsageError, match=r"'5\.png' .* no list of pairs of numbers"):
        folder.load()


def test_missing_and_unreadable_files_say_what_belongs_there(folder):
    folder.write("{")
    with pytest.raises(UsageError, match=r"coordinates\.json is no JSON"):
        folder.load()
    folder.write("[]")
    with pytest.raises(UsageError, match="holds no object"):
        folder.load()
    (folder.root / "coordinates.json").unlink()
    with pytest.raises(UsageError, match=r"coordinates\.json is missing: it holds"):
        folder.load()
    for file in (folder.root / "images").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(UsageError, match=r"images has no micrographs: .*\.png.*\.mrc"):
        folder.load()
