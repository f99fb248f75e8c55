"""The checks of splits that variants share."""

import numpy as np
import pytest

from trainables.adequacy import checks
from trainables.adequacy.counts import IMAGES, Unit, format_range, list_counts
from trainables.measuring import intervals

CLASSES = ("a", "b", "c", "d", "e")


def classes_finding(is_scored, **reasons):
    masks = {reason: np.array(mask, dtype=bool) for reason, mask in reasons.items()}
    return list(checks.check_classes("val/x", CLASSES, np.array(is_scored, dtype=bool), masks, "add images"))


def test_a_mean_over_all_classes_is_no_finding():
    assert classes_finding([1, 1, 1, 1, 1], none=[0] * 5) == []


def test_classes_that_are_left_out_are_named_with_their_first_reason():
    (finding,) = classes_finding([0, 1, 1, 0, 1], first=[1, 0, 0, 0, 0], second=[1, 0, 0, 1, 0])
    assert finding.message == "val/x averages over 3 of 5 classes: it leaves out a (first), d (second); add images."
    assert not finding.severe and finding.verdict == "careful"


@pytest.mark.parametrize(("is_scored", "severe"), [([0, 0, 1, 0, 0], True), ([0, 0, 1, 1, 0], True)])
def test_one_class_or_fewer_than_half_is_not_what_a_macro_metric_says(is_scored, severe):
    (finding,) = classes_finding(is_scored, none=[not scored for scored in is_scored])
    assert finding.severe is severe and finding.verdict == "bad"
    if sum(is_scored) == 1:
        assert "val/x is that of a single class, c of 5: it leaves out a, b, d and 1 more (none)" in finding.message


@pytest.mark.parametrize(("half_width", "findings"), [(0.1, 0), (0.101, 1), (0.4, 1)])
def test_an_interval_that_is_too_wide_is_said_with_its_width(half_width, findings):
    result = list(checks.check_half_width("val/x", half_width, "validation has 2 images with a", "add images"))
    assert len(result) == findings
    assert all(f"±{half_width:.2f}" in finding.message and "2 images with a" in finding.message for finding in result)


def test_means_over_few_examples_are_said_with_the_width_in_deviations_and_one_alone_is_bad():
    least = intervals.least_count(checks.MAX_DEVIATIONS)
    assert list(checks.check_units("val/x", IMAGES, least, "add images")) == []
    (few,) = checks.check_units("val/x", IMAGES, 3, "add images")
    assert "rest on 3 images" in few.message and "±2.5 times" in few.message and f"with {least} it" in few.message
    assert not few.severe
    (single,) = checks.check_units("val/x", Unit("micrograph", "micrographs"), 1, "add some")
    assert single.severe and single.check == "few micrographs" and "a single micrograph" in single.message


@pytest.mark.parametrize(
    ("calibration", "scored", "check"),
    [
        (3, 5, None),
        (1, 5, "small calibration part"),
        (4, 4, "large calibration part"),
        (1, 1, "large calibration part"),
    ],
)
def test_a_calibration_part_is_smaller_than_the_scored_part_and_more_than_one(calibration, scored, check):
    findings = list(checks.check_calibration(IMAGES, calibration, scored, "data.calibration_share (0.5)"))
    assert [finding.check for finding in findings] == ([check] if check else [])


def test_groups_in_two_splits_are_counted_and_named():
    assert list(checks.check_shared(IMAGES, ["a", "b"], ["c"], "val", "part them")) == []
    (finding,) = checks.check_shared(Unit("folder", "folders"), ["a", "b", "b"], ["b", "b", "c"], "test", "part them")
    assert finding.message.startswith("1 of 2 folders of the test split are in training as well (b)")


@pytest.mark.parametrize(("count", "classes", "findings"), [(4, 5, 0), (3, 5, 1), (1, 20, 0), (1, 10, 1)])
def test_no_example_moves_a_mean_of_recalls_by_more_than_a_twentieth(count, classes, findings):
    result = list(checks.check_step("val/x", "a", count, classes, "add images"))
    assert len(result) == findings
    assert all(f"{1 / (count * classes):.2g}" in finding.message for finding in result)


def test_counts_are_listed_and_of_many_classes_the_scarcest():
    assert list_counts(CLASSES, np.array([3, 0, 1, 2, 9])) == "a 3, b 0, c 1, d 2, e 9"
    names, counts = [f"k{index}" for index in range(20)], np.arange(20)[::-1]
    assert list_counts(names, counts).startswith("k19 0, k18 1, ")
    assert list_counts(names, counts).endswith("and 12 with more")
    assert (format_range([3, 1, 2]), format_range([5, 5])) == ("1 to 3", "5")
