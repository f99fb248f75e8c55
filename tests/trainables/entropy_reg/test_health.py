"""Health checks of entropy_reg: each finding on a report that has it, and none just beside it."""

from __future__ import annotations

import math

import pytest

from trainables.entropy_reg import health
from trainables.entropy_reg.config import Config

GOOD = {
    "epoch": 3,
    "val/log_likelihood_bits": 1.9,
    "val/information_gain_bits": 0.8,
    "val/nll_bits": 17.6,
    "val/centre_bias_log_likelihood_bits": 1.1,
    "val/bias_information_bits": 0.4,
    "health/density_sum_error": 1e-6,
    "health/sigma": 0.03,
}
ENTROPY = Config(regulariser="entropy", lambda_eff=0.3, compute_every=50)
SHARE = {"health__regulariser_share": 0.02}


def found(settings: Config | None = None, least: float = 0.4, **changes: float) -> dict[str, str]:
    report = {**GOOD, **{key.replace("__", "/"): value for key, value in changes.items()}}
    return {item.check: item.message for item in health.findings(report, settings or Config(), least)}


@pytest.mark.parametrize("settings", [Config(), Config(regulariser="dropout"), ENTROPY])
def test_a_good_report_has_no_finding(settings):
    assert found(settings, **(SHARE if settings is ENTROPY else {})) == {}


@pytest.mark.parametrize(
    ("settings", "changes", "check", "words"),
    [
        (None, {"health__density_sum_error": 0.0123}, "density does not sum to one", ["0.012", "precision=fp32"]),
        (None, {"health__density_sum_error": math.nan}, "density does not sum to one", ["precision=fp32"]),
        (
            ENTROPY,
            {"health__regulariser_share": 0.0},
            "regulariser never computed",
            ["compute_every (50)", "lower it", "lambda_eff"],
        ),
        (
            Config(regulariser="entropy", lambda_eff=0.0),
            SHARE,
            "regulariser without weight",
            ["lambda_eff is 0", "regulariser=none"],
        ),
        (
            None,
            {"val__log_likelihood_bits": -0.21, "val__information_gain_bits": -1.3, "val__nll_bits": 19.8},
            "worse than uniform",
            ["is 0.210 bits per fixation below", "19.80", "lr (0.001)", "sigma (0.0312)"],
        ),
        (None, {"val__information_gain_bits": -0.07}, "worse than the centre bias", ["0.070", "1.100", "lr (0.001)"]),
        (
            ENTROPY,
            {"val__information_gain_bits": -0.07, **SHARE},
            "worse than the centre bias",
            ["0.070", "lower lambda_eff (0.3)"],
        ),
        (
            Config(centre_bias="uniform"),
            {"val__information_gain_bits": -0.07},
            "worse than the centre bias",
            ["0.070", "centre_bias=kde"],
        ),
        (None, {"val__bias_information_bits": 0.61}, "bias grows", ["0.610", "0.400", "regulariser=entropy"]),
        (ENTROPY, {"val__bias_information_bits": 0.61, **SHARE}, "bias grows", ["0.610", "raise lambda_eff (0.3)"]),
        (None, {"health__sigma": 0.21}, "blur covers the image", ["0.21", "lr (0.001)", "learn_sigma=false"]),
    ],
)
def test_each_finding_names_its_figure_and_what_to_change(settings, changes, check, words):
    findings = found(settings, **changes)
    assert list(findings) == [check]
    message = findings[check]
    assert [word for word in words if word not in message] == []
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (None, {"health__density_sum_error": 1e-3}),
        (ENTROPY, {"health__regulariser_share": 0.01}),
        (None, {"val__information_gain_bits": 0.0}),
        (None, {"val__log_likelihood_bits": 0.0, "val__information_gain_bits": 0.0}),
        (None, {"val__bias_information_bits": 0.5}),  # a tenth of a bit
        (None, {"health__sigma": 0.2}),
    ],
)
def test_just_beside_its_bound_there_is_no_finding(settings, changes):
    assert found(settings, **changes) == {}


@pytest.mark.parametrize(("least", "now", "grows"), [(0.01, 0.1, False), (0.01, 0.12, True), (2.0, 2.4, False)])
def test_a_bias_grows_by_bits_and_by_a_share_of_the_least_so_far(least, now, grows):
    assert ("bias grows" in found(least=least, val__bias_information_bits=now)) is grows
    assert found(least=math.inf, val__bias_information_bits=now) == {}


@pytest.mark.parametrize("epoch", [1, 2])
def test_of_a_young_network_only_what_no_epoch_mends_is_told(epoch):
    young = {
        "val__log_likelihood_bits": -2.0,
        "val__information_gain_bits": -3.0,
        "val__bias_information_bits": 5.0,
        "health__sigma": 0.9,
        "epoch": epoch,
    }
    settings = Config(warmup_epochs=2.0, regulariser="entropy")
    assert found(settings, **young, **SHARE) == {}
    assert list(found(settings, **young, health__regulariser_share=0.0)) == ["regulariser never computed"]
    assert list(found(settings, **young, **SHARE, health__density_sum_error=0.1)) == ["density does not sum to one"]
    assert len(found(settings, **{**young, "epoch": 3}, **SHARE)) == 3
    assert found(Config(warmup_epochs=0.0), **{**young, "epoch": 1}) == {}


def test_only_a_broken_density_and_a_model_worse_than_nothing_end_a_trial():
    broken = {
        **GOOD,
        "val/log_likelihood_bits": -0.5,
        "val/information_gain_bits": -1.6,
        "val/bias_information_bits": 3.0,
        "health/sigma": 0.5,
        "health/density_sum_error": 0.5,
        "health/regulariser_share": 0.0,
    }
    findings = health.findings(broken, Config(regulariser="entropy", lambda_eff=0.0), 0.1)
    fatal = {finding.check for finding in findings if finding.fatal}
    assert fatal == {"density does not sum to one", "worse than uniform"}
    assert len(findings) == 6
    worse = health.findings({**broken, "val/log_likelihood_bits": 0.1}, Config(), 0.1)
    assert "worse than the centre bias" in {item.check for item in worse if not item.fatal}
