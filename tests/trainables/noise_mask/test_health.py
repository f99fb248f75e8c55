"""Each finding on a report that has just that, none just beside it, and none on a healthy one."""

from __future__ import annotations

import pytest

from trainables.noise_mask.config import Config
from trainables.noise_mask.health import findings

HEALTHY = {
    "epoch": 60,
    "train/masked": 1.0,
    "health/policy_entropy": -0.2,
    "health/cells_at_ends": 0.12,
    "health/mask_mean": 0.85,
    "health/mask_std": 0.07,
    "health/policy_shift": 0.04,
    "health/gradient_ratio_policy": 2e-3,
    "val/accuracy_balanced_maskfree": 0.6,
    "val/classes": 4.0,
}
COLLAPSE = {"health/policy_entropy": -3.4, "health/cells_at_ends": 0.95}
CASES = {  # check → a report that has it, one just beside it, what the sentence quotes, fatal
    "policy collapsed": (
        {"health/policy_entropy": -3.01},
        {"health/policy_entropy": -2.99},
        ["-3.01 nats", "12%", "entropy (0.001)", "beta_low=1 (it is 0.2)", "policy_lr_ratio (0.1)"],
        True,
    ),
    "policy inert": (
        {"health/policy_shift": 0.0049},
        {"health/policy_shift": 0.0051},
        ["60 of 90", "0.0049", "2.0e-03", "policy_lr_ratio (0.1)", "mix (0.9)"],
        False,
    ),
    "contrast halved": (
        {"health/mask_mean": 0.69},
        {"health/mask_mean": 0.71},
        ["69%", "mean_preserving=true", "amplitude (1)"],
        False,
    ),
    "mask without effect": (
        {"health/mask_std": 0.0099},
        {"health/mask_std": 0.0101},
        ["0.0099", "sigma (6)", "grid (64)"],
        False,
    ),
    "no better than chance": (
        {"val/accuracy_balanced_maskfree": 0.274},
        {"val/accuracy_balanced_maskfree": 0.276},
        ["0.274", "60 of 100", "0.250", "lr (0.001)", "amplitude (1)"],
        False,
    ),
}


def find_messages(settings: Config | None = None, **changes: float) -> dict[str, str]:
    report = {**HEALTHY, **{key.replace("__", "/"): value for key, value in changes.items()}}
    return {each.check: each.message for each in findings(report, settings or Config())}


def test_a_healthy_report_has_no_findings():
    assert findings(HEALTHY, Config()) == []


@pytest.mark.parametrize("check", CASES)
def test_a_finding_comes_alone_with_the_figure_and_the_settings_to_change(check):
    changes, beside, words, fatal = CASES[check]
    (only,) = findings({**HEALTHY, **changes}, Config())
    assert (only.check, only.fatal) == (check, fatal)
    assert [word for word in words if word not in only.message] == []
    assert only.message.endswith(".")
    assert ". " not in only.message
    assert findings({**HEALTHY, **beside}, Config()) == []


def test_cells_at_the_ends_are_a_collapse_whatever_the_entropy():
    assert "blobs of 0 and 1" in find_messages(health__cells_at_ends=0.81)["policy collapsed"]
    assert find_messages(health__cells_at_ends=0.79) == {}
    assert "hardly varies" in find_messages(health__policy_entropy=-4.0)["policy collapsed"]


def test_remedies_of_a_collapse_are_those_that_the_settings_leave():
    literal = find_messages(
        Config(objective="literal", beta_low=1.0), **{k.replace("/", "__"): v for k, v in COLLAPSE.items()}
    )
    message = literal["policy collapsed"]
    assert "raise entropy" not in message
    assert "objective=reinforce" in message
    assert "beta_low" not in message
    assert "beta_high (20)" in message


@pytest.mark.parametrize(("epoch", "told"), [(44, False), (45, True)])
def test_a_policy_is_inert_from_half_of_the_heat_stage_on(epoch, told):
    assert ("policy inert" in find_messages(epoch=epoch, health__policy_shift=0.0)) is told


@pytest.mark.parametrize(("epoch", "told"), [(49, False), (50, True)])
def test_chance_is_told_from_half_of_all_epochs_on(epoch, told):
    assert ("no better than chance" in find_messages(epoch=epoch, val__accuracy_balanced_maskfree=0.2)) is told


def test_nothing_is_said_of_masks_when_training_is_without_them():
    bad = {**HEALTHY, **COLLAPSE, "health/mask_mean": 0.5, "health/mask_std": 0.0, "health/policy_shift": 0.0}
    assert len(findings(bad, Config())) == 4
    assert findings({**bad, "train/masked": 0.0}, Config()) == []
    plain = {key: bad[key] for key in ("epoch", "val/accuracy_balanced_maskfree", "val/classes")}
    assert findings(plain, Config()) == []
    assert findings(bad, Config(objective="none")) == []


def test_chance_is_told_of_fine_tuning_and_of_the_baseline_without_masks_too():
    bad = {"epoch": 95, "val/accuracy_balanced_maskfree": 0.25, "val/classes": 4.0}
    assert [each.check for each in findings(bad, Config())] == ["no better than chance"]
    (only,) = findings(bad, Config(objective="none"))
    assert "amplitude" not in only.message


def test_random_masks_have_no_policy_to_be_judged():
    report = {key: value for key, value in HEALTHY.items() if "polic" not in key and "cells" not in key}
    changed = {**report, "health/mask_mean": 0.5, "health/mask_std": 0.001}
    checks = [each.check for each in findings(changed, Config(objective="random"))]
    assert checks == ["contrast halved", "mask without effect"]


def test_a_mean_that_is_kept_is_not_judged():
    assert find_messages(Config(mean_preserving=True), health__mask_mean=0.5) == {}


def test_one_cell_makes_no_noise_and_is_no_finding():
    assert find_messages(Config(grid=1), health__mask_std=0.0) == {}
    assert list(find_messages(Config(grid=2), health__mask_std=0.0)) == ["mask without effect"]


def test_a_small_amplitude_is_named_where_it_may_be_the_reason():
    assert "raise amplitude (0.1)" in find_messages(Config(amplitude=0.1), health__mask_std=0.0)["mask without effect"]
    assert "amplitude" not in find_messages(health__mask_std=0.0)["mask without effect"]
