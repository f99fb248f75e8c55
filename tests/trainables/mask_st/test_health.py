"""Each finding on a report that has just that, and none on a healthy one."""

from __future__ import annotations

import pytest

from trainables.mask_st.config import Config
from trainables.mask_st.health import findings, plain_epochs

HEALTHY = {
    "epoch": 5,
    "val/coverage_expected": 0.1,
    "val/collapsed_share": 0.0,
    "val/saturated_share": 0.0,
    "val/mask_spread": 0.25,
    "val/sufficiency_gap": 0.01,
    "val/necessity_gap": 0.3,
    "raw/consistency": 0.02,
    "raw/drop": 0.01,
    "health/mask_signal": 4e-3,
}
CASES = {
    "mask collapsed": ({"val/coverage_expected": 0.001, "val/collapsed_share": 0.97}, True),
    "mask saturated": ({"val/coverage_expected": 0.8, "val/saturated_share": 0.9}, True),
    "mask flat": ({"val/mask_spread": 0.001}, False),
    "generator without gradient": ({"health/mask_signal": 0.0}, True),
    "consistency dead": ({"raw/consistency": 1e-6, "val/sufficiency_gap": 0.3}, False),
    "drop dead": ({"raw/drop": 0.0, "val/necessity_gap": 0.0}, False),
    "dynamic weight at the floor": ({"train/w_drop": 1e-3, "train/w_full": 1.0}, False),
}


def test_a_healthy_report_has_no_findings():
    assert findings(HEALTHY, Config()) == []


@pytest.mark.parametrize("check", CASES)
def test_finding(check):
    changes, fatal = CASES[check]
    (finding,) = findings({**HEALTHY, **changes}, Config())
    assert (finding.check, finding.fatal) == (check, fatal)
    assert any(setting in finding.message for setting in Config.names())
    assert any(character.isdigit() for character in finding.message)


def test_nothing_is_judged_while_the_mask_is_untrained():
    report = {**HEALTHY, "health/mask_signal": 0.0, "val/mask_spread": 0.0}
    config = Config(epochs=10, bce_fraction=0.45)
    assert findings({**report, "epoch": 5}, config) == []
    assert len(findings({**report, "epoch": 6}, config)) == 2


def test_plain_epochs_are_not_one_more_by_rounding():
    assert [plain_epochs(Config(epochs=100, bce_fraction=share)) for share in (0.07, 0.071, 0.0)] == [7, 8, 0]


def test_a_map_on_target_whose_deployed_masks_are_empty_is_named_but_not_fatal():
    report = {**HEALTHY, "val/collapsed_share": 1.0}
    (finding,) = findings(report, Config(project=False))
    assert (finding.check, finding.fatal) == ("deployed mask empty", False)
    (finding,) = findings({**report, "val/coverage_expected": 0.001}, Config(project=False))
    assert (finding.check, finding.fatal) == ("mask collapsed", True)


def test_a_met_aim_is_no_dead_loss():
    assert findings({**HEALTHY, "raw/drop": 0.0, "raw/consistency": 0.0}, Config()) == []


def test_a_wanted_extreme_is_no_collapse():
    small = {**HEALTHY, "val/coverage_expected": 0.009, "val/collapsed_share": 0.8}
    assert findings(small, Config(keep_ratio=0.01)) == []
    large = {**HEALTHY, "val/coverage_expected": 0.8, "val/saturated_share": 1.0}
    assert findings(large, Config(keep_ratio=0.8)) == []


def test_kinds_without_a_learned_mask_are_not_judged_by_it():
    assert findings({"epoch": 5}, Config(mask_kind="none")) == []
    random = {key: HEALTHY[key] for key in ("epoch", "raw/consistency", "raw/drop")}
    assert findings({**random, "val/sufficiency_gap": 0.4, "val/necessity_gap": 0.0}, Config(mask_kind="random")) == []
