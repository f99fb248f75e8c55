"""What is said of micrographs that are too few to judge, and of folders in two splits."""

import json

import pytest

from tests.support.micrograph_folders import MicrographFolder
from trainables.measuring import intervals
from trainables.unet_selftrain.adequacy import assess
from trainables.unet_selftrain.config import Config, Data

ALL = ("train", "val", "test")


def assess_folder(folder, splits=("train", "val"), **settings):
    data = Data(source="micrographs", root=str(folder.root), cache=str(folder.root / "cache"), radius=4.0, **settings)
    adequacy = assess(Config(downsample=1), data, splits)
    return adequacy.lines, {finding.check: finding for finding in adequacy.findings}


def test_of_two_validation_micrographs_one_chooses_thresholds_and_all_figures_rest_on_the_other(tmp_path):
    folder = MicrographFolder(tmp_path)
    lines, findings = assess_folder(folder)
    scored = folder.load("val").select(~folder.load("val").calibration)
    assert "2 micrographs" in lines["val"] and lines["val"].endswith(
        f"1 for thresholds · 1 scored, with {len(scored.particles(0))} particle{'s' * (len(scored.particles(0)) > 1)}"
    )
    few = findings["few micrographs"]
    assert few.severe and few.message.startswith(
        "val/particle_ap and the other metrics all rest on a single micrograph"
    )
    assert "data.val_share (0.25)" in few.message
    assert findings["large calibration part"].message.startswith(
        "validation has 1 micrograph to choose thresholds on and only 1 to score: lower data.calibration_share (0.35)"
    )


def test_lines_count_micrographs_and_particles_of_every_split(tmp_path):
    folder = MicrographFolder(tmp_path, count=6, subfolders=("a", "b"))
    lines, _ = assess_folder(folder, ALL, label_share=0.5)
    for split in ALL:
        part = folder.load(split, label_share=0.5)
        counts = [len(folder.entries[name]) for name in part.names]
        low, high = min(counts), max(counts)
        numbers = f"{low}" if low == high else f"{low} to {high}"
        expected = f"{len(part)} micrographs of {len(set(part.groups))} folder"
        assert lines[split].startswith(expected)
        assert f" · {sum(counts)} particles, {numbers} a micrograph" in lines[split]
    hidden = sum(map(len, folder.load("train", label_share=0.5).hidden_particles))
    assert lines["train"].endswith(f"{hidden} of them hidden from training")


def test_enough_micrographs_are_no_finding_and_few_are_said_with_their_interval(tmp_path):
    folder = MicrographFolder(tmp_path, count=90)
    assert assess_folder(folder, val_share=0.5)[1] == {}
    _, findings = assess_folder(folder, val_share=0.1)
    val = folder.load("val", val_share=0.1)
    count = int((~val.calibration).sum())
    assert not findings["few micrographs"].severe
    message = findings["few micrographs"].message
    assert f"rest on {count} micrographs" in message and f"±{intervals.mean_half_width(count):.2g} times" in message


@pytest.mark.parametrize("split_by", ["micrograph", "folder"])
def test_folders_in_two_splits_are_named_unless_they_are_kept_whole(tmp_path, split_by):
    folder = MicrographFolder(tmp_path, count=4, subfolders=("a", "b", "c", "d", "e", "f"))
    _, findings = assess_folder(folder, ALL, split_by=split_by)
    assert ("shared folders" in findings) == (split_by == "micrograph")
    if split_by == "micrograph":
        shared = set(folder.load("train").groups) & set(folder.load("test").groups)
        assert findings["shared folders"].message.startswith(f"{len(shared)} of ")


def test_scored_micrographs_without_particles_are_counted(tmp_path):
    folder = MicrographFolder(tmp_path, count=30)
    val = folder.load("val", val_share=0.5)
    names = [name for name, part in zip(val.names, val.calibration, strict=True) if not part][:2]
    folder.entries |= {name: [] for name in names}
    folder.write()
    _, findings = assess_folder(folder, val_share=0.5, bad_images="skip")  # other settings, so that it is read again
    assert findings["micrographs without particles"].message.startswith(
        "validation scores 2 micrographs without particles"
    )


@pytest.mark.parametrize(("count", "scored", "severe"), [(9, 1, True), (20, 3, False)])
def test_real_micrographs_are_counted(real_data, tmp_path, count, scored, severe):
    source = real_data("cryoem")
    centres = json.loads((source / "coordinates.json").read_text())
    names = sorted(centres)[:count]
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).symlink_to(source / "images" / name)
    (tmp_path / "coordinates.json").write_text(json.dumps({name: centres[name] for name in names}))
    data = Data(source="micrographs", root=str(tmp_path), cache=str(tmp_path / "cache"), radius=13.5)
    adequacy = assess(Config(downsample=4), data, ("train", "val"))
    assert f"{scored} scored" in adequacy.lines["val"]
    (finding,) = [finding for finding in adequacy.findings if finding.check == "few micrographs"]
    assert finding.severe is severe
