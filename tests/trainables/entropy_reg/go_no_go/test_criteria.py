"""The criteria of a go/no-go: what each requires, and that their intervals hold."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from trainables.entropy_reg.go_no_go.bootstrap import Bootstrap
from trainables.entropy_reg.go_no_go.criteria import decide, reject_training
from trainables.entropy_reg.go_no_go.verdict import CENTRE_BIASES, Arm, Thresholds

IMAGES, PROBES = 40, 8


def arm(gain=1.0, outside=0.5, bias=0.5, seeds=3, **out_of_domain):
    """Make an arm whose images and probes differ, and whose seeds do not."""
    spread = np.linspace(-0.3, 0.3, IMAGES)
    values = {name: out_of_domain.get(name, outside) for name in CENTRE_BIASES}
    return Arm(
        np.tile(gain + spread, (seeds, 1)),
        {name: np.tile(value + spread, (seeds, 1)) for name, value in values.items()},
        {kind: np.full((seeds, PROBES), bias) for kind in ("uniform", "scrambled")},
        np.full(seeds, 0.03),
        np.full(seeds, 1.0),
    )


TWIN = arm()
GOOD = arm(gain=0.99, outside=0.55, bias=0.2)


def judge(regularised=GOOD, twin=TWIN, resamples=400):
    return decide(regularised, twin, resamples=resamples)


def failures(verdict):
    return [criterion.name for criterion in verdict.criteria if not criterion.passed]


def difference(values, baseline):
    return values - baseline


def noisy(rng, by_seed, by_image, by_both, seeds=3, images=30):
    """Draw differences whose true value is 0, `[seeds, images]`."""
    effects = rng.normal(0, by_seed, (seeds, 1)) + rng.normal(0, by_image, (1, images))
    return effects + rng.normal(0, by_both, (seeds, images))


def test_a_config_that_meets_every_criterion_is_go_and_the_sentence_says_what_it_gained():
    verdict = judge()
    assert verdict.go
    assert failures(verdict) == []
    assert "from 0.500 to 0.200 bit" in verdict.reason
    assert "−1.0% of 1.000 bit" in verdict.reason
    assert verdict.reason.count("+0.050 bit") == 3


@pytest.mark.parametrize(
    ("regularised", "twin", "name", "sentence"),
    [
        (replace(GOOD, bias=arm(bias=0.4).bias), TWIN, "share", "25%"),
        (replace(GOOD, bias=arm(bias=0.02).bias), arm(bias=0.06), "reduction", "0.05 bit is required"),
        (replace(GOOD, in_domain=arm(gain=0.97).in_domain), TWIN, "in domain", "−3.0% of 1.000 bit, and no more"),
        (arm(0.99, 0.55, 0.2, uniform=0.49), TWIN, "uniform centre bias", "−0.010 bit with uniform centre bias"),
        (arm(0.99, 0.55, 0.2, source=0.5), TWIN, "source centre bias", "+0.000 bit with source centre bias, 0 within"),
        (arm(0.99, 0.55, 0.2, target=0.49), TWIN, "target centre bias", "with target centre bias, interval below 0"),
        (arm(0.99, 0.55, 0.2, seeds=2), arm(seeds=2), "Seeds", "Too few seeds: 2"),
    ],
)  # fmt: skip
def test_one_criterion_that_is_not_met_alone_is_no_go_and_is_named(regularised, twin, name, sentence):
    verdict = judge(regularised, twin)
    assert not verdict.go
    assert len(failures(verdict)) == 1
    assert name in failures(verdict)[0]
    assert sentence in verdict.reason


def test_a_loss_that_may_be_larger_than_four_percent_is_no_go_though_its_mean_is_allowed():
    deviations = np.random.default_rng(0).normal(0, 0.2, IMAGES)
    regularised = replace(GOOD, in_domain=TWIN.in_domain - 0.01 + deviations - deviations.mean())
    verdict = judge(regularised)
    assert failures(verdict) == ["Information gain in domain, change as a share"]
    assert "within its interval, and −4% may not be" in verdict.reason


@pytest.mark.parametrize("centre_bias", CENTRE_BIASES)
def test_a_gain_out_of_domain_that_may_be_chance_is_no_go(centre_bias):
    change = 0.01 + noisy(np.random.default_rng(7), 0.0, 0.2, 0.0, images=IMAGES)
    uncertain = {**GOOD.out_of_domain, centre_bias: TWIN.out_of_domain[centre_bias] + change - change.mean() + 0.01}
    verdict = judge(replace(GOOD, out_of_domain=uncertain))
    assert failures(verdict) == [f"Information gain out of domain, {centre_bias} centre bias"]
    assert verdict.reason == f"Out of domain +0.010 bit with {centre_bias} centre bias, 0 within its interval."
    assert verdict.differences[centre_bias].low < 0 < verdict.differences[centre_bias].value


def test_a_reduction_and_a_loss_just_as_asked_for_are_enough():
    verdict = judge(replace(GOOD, bias=arm(bias=0.375).bias, in_domain=TWIN.in_domain - 0.0199))
    assert verdict.go


def test_a_twin_without_bias_leaves_nothing_to_reduce():
    verdict = judge(replace(GOOD, bias=arm(bias=0.0).bias), arm(bias=0.04))
    assert not verdict.go
    assert verdict.reason.startswith("The twin's bias is 0.040 bit")
    assert "nothing to reduce" in verdict.reason
    assert not judge(replace(GOOD, bias=arm(bias=0.0).bias), arm(bias=0.0)).go


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.02])
def test_no_share_can_be_lost_of_an_information_gain_that_is_not_surely_above_zero(gain):
    verdict = judge(replace(GOOD, in_domain=arm(gain).in_domain + 0.1), arm(gain))
    assert failures(verdict) == ["Information gain in domain, change as a share"]
    assert "no share can be judged" in verdict.reason


def test_bias_on_other_kinds_of_probes_decides_nothing():
    more = {**GOOD.bias, "scrambled": GOOD.bias["scrambled"] + 9}
    assert judge(replace(GOOD, bias=more)).go


@pytest.mark.parametrize("part", ["in_domain", "sigma", "centre_bias_weight", "bias", "out_of_domain"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_figure_that_is_not_finite_is_no_go_and_the_only_reason(part, bad):
    value = getattr(GOOD, part)
    first = next(iter(value)) if isinstance(value, dict) else None
    broken = (value[first] if first else value).copy()
    broken.flat[0] = bad
    with np.errstate(invalid="ignore"):
        verdict = judge(replace(GOOD, **{part: {**value, first: broken} if first else broken}))
    assert not verdict.go
    assert verdict.reason.startswith("Values that are not finite, first regularised: ")
    assert ";" not in verdict.reason


def test_a_training_that_came_to_no_end_is_no_go():
    verdict = reject_training("the training twin-3 did not finish")
    assert (verdict.go, verdict.reason) == (False, "The training twin-3 did not finish.")
    assert [criterion.passed for criterion in verdict.criteria] == [False]


def test_arms_of_other_images_or_seeds_are_refused():
    with pytest.raises(ValueError, match="not paired"):
        judge(arm(seeds=4), arm(seeds=3))
    with pytest.raises(ValueError, match="not paired"):
        judge(replace(GOOD, in_domain=GOOD.in_domain[:, 1:]))


def test_thresholds_can_be_others():
    assert not decide(GOOD, TWIN, Thresholds(bias_share=0.7), resamples=100).go
    assert not decide(GOOD, TWIN, Thresholds(seeds=4), resamples=100).go


def test_of_one_seed_the_interval_is_the_percentile_bootstrap_over_images():
    rng = np.random.default_rng(1)
    twin, gain = rng.normal(1, 0.5, (1, 60)), rng.gamma(1.0, 0.2, (1, 60))
    interval = Bootstrap(10_000, 0, 0.95).interval(difference, twin + gain, twin)
    oracle = stats.bootstrap(gain, np.mean, method="percentile", n_resamples=10_000, rng=rng).confidence_interval
    assert interval.value == pytest.approx(gain.mean())
    assert [interval.low, interval.high] == pytest.approx([oracle.low, oracle.high], abs=0.004)


@pytest.mark.parametrize("seeds", [12, 60])
def test_where_seeds_alone_differ_the_interval_is_students(seeds):
    drawn = np.random.default_rng(2).normal(0, 1, (seeds, 1))
    interval = Bootstrap(10_000, 0, 0.95).interval(difference, np.tile(drawn, 5), np.zeros((seeds, 5)))
    low, high = stats.t.interval(0.95, seeds - 1, drawn.mean(), stats.sem(drawn[:, 0]))
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=0.12 * (high - low))
    assert interval.high - interval.low == pytest.approx(high - low, rel=0.06)


def test_what_both_arms_have_in_common_is_not_in_the_interval():
    rng = np.random.default_rng(3)
    common, change = rng.normal(0, 5, (3, 30)), noisy(rng, 0.01, 0.05, 0.02)
    bootstrap = Bootstrap(1000, 0, 0.95)
    alone = bootstrap.interval(difference, change, np.zeros_like(change))
    assert bootstrap.interval(difference, common + change, common) == pytest.approx(alone)
    shuffled = bootstrap.interval(difference, (common + change)[:, ::-1], common)
    assert shuffled.high - shuffled.low > 10 * (alone.high - alone.low)


def test_a_change_as_a_share_does_not_depend_on_the_unit():
    values = noisy(np.random.default_rng(4), 0.01, 0.05, 0.02, images=IMAGES)
    one = judge(replace(GOOD, in_domain=TWIN.in_domain + values)).criteria[2]
    scaled = decide(
        replace(GOOD, in_domain=7 * (TWIN.in_domain + values)),
        replace(TWIN, in_domain=7 * TWIN.in_domain),
        resamples=400,
    ).criteria[2]
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx((one.value, one.low, one.high))
    assert one.value == pytest.approx(values.mean())
    assert one.low < one.value < one.high


@pytest.mark.parametrize("spread", [(0.05, 0.0, 0.0), (0.05, 0.05, 0.05), (0.0, 0.2, 0.1)])
def test_without_any_difference_a_gain_out_of_domain_is_seen_in_one_of_twenty_cases_at_most(spread):
    rng, cases = np.random.default_rng(5), 400
    detections = 0
    for case in range(cases):
        change = noisy(rng, *spread)
        detections += Bootstrap(300, case, 0.95).interval(difference, 1 + change, np.ones_like(change)).low > 0
    assert detections / cases <= 0.05


def test_a_gain_that_is_large_beside_the_noise_is_seen_nearly_always():
    rng = np.random.default_rng(6)
    detections = 0
    for case in range(100):
        change = 0.1 + noisy(rng, 0.01, 0.1, 0.05)
        detections += Bootstrap(300, case, 0.95).interval(difference, change, np.zeros_like(change)).low > 0
    assert detections >= 90
