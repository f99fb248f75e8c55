"""Health checks of unet_selftrain: each finding on a report that has it, none on a good one."""

from __future__ import annotations

import pytest

from tests.support.tiny_micrographs import config
from trainables.unet_selftrain import health

GOOD = {
    "epoch": 4,  # the end of iteration 1 of the tiny config
    "train/iteration": 1.0,
    "train/ap_before": 0.7,
    "train/pseudo_pos": 0.9,
    "train/pseudo_neg": 0.1,
    "train/pseudo_highest": 0.97,
    "train/thresholds_too_close": 0.0,
    "train/new_components": 12.0,
    "train/ignored_share": 0.3,
    "train/negative_share": 0.6,
    "val/particle_ap": 0.75,
}


def messages(**changes) -> dict[str, str]:
    return {each.check: each.message for each in health.findings({**GOOD, **changes}, config())}


def test_a_good_report_has_no_finding():
    assert messages() == {}


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"val/particle_ap": 0.0, "epoch": 3}, "nothing found", ["data.radius", "lr"]),
        ({"train/new_components": 0.0, "train/pseudo_highest": 0.61}, "no pseudo-labels", ["0.90", "0.61", "base_pos"]),
        ({"train/new_components": 0.0}, "no pseudo-labels", ["0.90", "0.97", "min_component"]),
        ({"train/ignored_share": 0.97}, "nearly all ignored", ["97.0%", "base_neg", "trust_negatives=far"]),
        ({"train/thresholds_too_close": 1.0}, "thresholds meet", ["0.10", "threshold_decay", "pos_floor"]),
        ({"val/particle_ap": 0.6}, "self-training hurts", ["iteration 1", "0.7000", "0.6000", "fewer iterations"]),
    ],
)
def test_each_finding_names_its_figure_and_what_to_change(changes, check, words):
    findings = messages(**changes)
    assert list(findings) == [check]
    assert all(word in findings[check] for word in words)


def test_an_iteration_is_judged_in_its_second_half():
    long = {**GOOD, "val/particle_ap": 0.6}  # 10 epochs in each iteration, after 10 supervised ones
    settings = config(epochs=30, supervised_share=0.334)
    judged = [epoch for epoch in range(11, 31) if health.findings({**long, "epoch": epoch}, settings)]
    assert judged == [16, 17, 18, 19, 20, 26, 27, 28, 29, 30]
    assert messages(**{"val/particle_ap": 0.6, "epoch": 3}) == {}
    assert messages(**{"val/particle_ap": 0.695}) == {}  # within what two epochs differ by anyway


def test_a_supervised_epoch_is_asked_for_picks_alone():
    assert messages(**{"train/iteration": 0.0, "train/new_components": 0.0, "epoch": 2, "val/particle_ap": 0.1}) == {}


def test_only_targets_without_a_negative_pixel_end_a_trial():
    def fatal(ignored: float, negative: float) -> bool:
        report = {**GOOD, "train/ignored_share": ignored, "train/negative_share": negative}
        return any(each.fatal for each in health.findings(report, config()))

    assert fatal(0.9, 0.0)
    assert not fatal(0.99, 0.001)
