"""What is said of folds with few images, and of images with few viewers."""

import numpy as np
import pytest

from tests.support.gaze_folders import folder_data, write_folder
from tests.support.tiny_gaze import config
from trainables.entropy_reg.adequacy import assess
from trainables.entropy_reg.data import load_split
from trainables.measuring import intervals
from trainables.settings import Notice


def gaze_data(folder, images, viewers, **values):
    """Write images that so many viewers looked at, three fixations each."""
    sizes = {f"image_{index:02d}": (64, 48) for index in range(images)}
    rows = [
        (name, f"s{viewer}", index, 10.0 + 5 * viewer % 40, 20.0 + index)
        for name in sizes
        for viewer in range(viewers)
        for index in range(3)
    ]
    return folder_data(write_folder(folder, sizes, rows), **values)


def list_findings(data):
    adequacy = assess(config(), data, ("train", "val"))
    return adequacy.lines, {finding.check: finding.message for finding in adequacy.findings}


def test_a_fold_of_few_images_is_said_with_its_interval(tmp_path):
    lines, findings = list_findings(gaze_data(tmp_path / "gaze", 12, 6, folds=4))
    assert lines["val"] == "3 images · 54 fixations, 18 an image · 6 viewers an image · one of 4 folds"
    assert findings["few images"].startswith("val/information_gain_bits and the other metrics rest on 3 images")
    assert f"±{intervals.mean_half_width(3):.2g} times" in findings["few images"]
    assert "lower data.folds (4)" in findings["few images"] and set(findings) == {"few images"}


def test_a_fold_with_enough_images_and_viewers_has_no_finding(tmp_path):
    assert list_findings(gaze_data(tmp_path / "gaze", 54, 5, folds=3))[1] == {}


def test_few_viewers_are_said_of_what_is_learnt_and_of_what_is_compared_with(tmp_path):
    adequacy = assess(config(), gaze_data(tmp_path / "gaze", 54, 2, folds=3), ("train", "val"))
    assert [finding.check for finding in adequacy.findings] == ["few viewers", "few viewers"]
    val, train = (finding.message for finding in adequacy.findings)
    assert val.startswith("half of the images of validation have at most 2 viewers, so that kl_bits, cc and sim")
    assert train.startswith("half of the images of training have at most 2 viewers, so that the centre bias")


def test_viewers_follow_their_images(tmp_path):
    sizes = {f"image_{index:02d}": (64, 48) for index in range(9)}
    rows = [
        (name, f"s{viewer}", 0, 20 if number else 200, 20)  # nobody looked at the first image itself
        for number, name in enumerate(sizes)
        for viewer in range(number + 1)
    ]
    data = folder_data(write_folder(tmp_path / "gaze", sizes, rows))
    with pytest.warns(Notice, match="outside their image"):
        splits = [load_split(config(), data, split) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == 8
    for stimuli in splits:
        assert stimuli.viewers.tolist() == [int(name[6:8]) + 1 for name in stimuli.names]
        last = stimuli.select(np.array([len(stimuli) - 1]))
        assert last.viewers.tolist() == [stimuli.viewers[-1]]
        assert stimuli.fixation_counts.tolist() == stimuli.viewers.tolist()


@pytest.mark.parametrize(("folds", "few"), [(10, False), (60, True)])
def test_real_folds_are_counted(real_data, tmp_path, folds, few):
    data = folder_data(real_data("fixations"), folds=folds, cache=str(tmp_path))
    lines, findings = list_findings(data)
    assert lines["val"].startswith(f"{11 if few else 70} images") and "15 viewers an image" in lines["val"]
    assert ("few images" in findings) == few
