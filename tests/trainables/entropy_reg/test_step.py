"""A training step of the whole variant: the likelihood, and the entropy at the steps at which it is due."""

import itertools

import pytest
import torch

from tests.support.loops import same, trained
from tests.support.tiny_gaze import build
from trainables.entropy_reg.losses import negative_log_likelihood
from trainables.objective import Goal, Objective
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))
EVERY_3 = {"regulariser": "entropy", "lambda_eff": 0.3, "compute_every": 3}
FORMS = [
    {"where": {"train_size": 10}},
    {**EVERY_3, "where": {"train_size": 14}},  # four batches an epoch, the last one filled up; due at another each time
    {"regulariser": "dropout", "centre_bias_dropout": 0.5, "weight_decay": 0.1},
    {"history": "real", **EVERY_3, "compute_every": 1, "where": {"saccade": 0.1}},
]
NAMES = ["spatial", "entropy", "dropout", "history"]


@pytest.fixture
def loop(cache):
    def make(**values) -> Loop:
        return Loop(build(cache, **values), OBJECTIVE)

    return make


def test_a_weight_of_nothing_is_no_regulariser_bit_for_bit_and_another_weight_is_one(loop):
    none = trained(loop())
    for values in ({}, {"compute_every": 3}, {"uniform_kind": "grey3"}):
        without = loop(regulariser="entropy", lambda_eff=0.0, **values)
        assert same(trained(without), none)
        assert without.report["raw/entropy_bits"] > 1  # it is computed all the same
        assert not same(trained(loop(regulariser="entropy", lambda_eff=0.1, **values)), none)
    real = {"history": "real", "where": {"saccade": 0.1}}
    assert same(trained(loop(regulariser="entropy", lambda_eff=0.0, **real)), trained(loop(**real)))


@pytest.mark.parametrize(("every", "weight"), [(1, 0.4), (5, 0.4), (5, 0.0)])
def test_the_loss_of_a_step_that_is_due_has_the_term_as_often_as_it_was_missed(cache, every, weight):
    variant = build(cache, regulariser="entropy", lambda_eff=weight, compute_every=every, where={"train_size": 24})
    entropies = []
    for epoch in range(2):
        variant.begin_epoch(epoch)
        for batch in variant.batches(epoch):
            loss, parts = variant.step(batch, 0)
            due = batch.step % every == 0
            added = weight * every * parts["raw/entropy_bits"] if due else 0.0
            torch.testing.assert_close(loss.detach(), parts["raw/nll_bits"] - added, rtol=1e-6, atol=1e-5)
            assert parts["health/regulariser_share"] == due
            entropies.append((batch.step, parts["raw/entropy_bits"].item()))
    assert [step for step, _ in entropies] == list(range(12))
    stored = [before == now for (_, before), (_, now) in itertools.pairwise(entropies)]
    assert stored == [step % every != 0 for step in range(1, 12)]


def test_the_likelihood_in_the_loss_is_that_of_each_images_fixations_and_a_filled_up_image_does_not_count(cache):
    variant = build(cache, where={"train_size": 9})
    variant.begin_epoch(0)
    for batch in variant.batches(0):
        with torch.no_grad():
            density = variant.net(batch.features, batch.shape, batch.centre_bias)
        each = negative_log_likelihood(density, batch.cells, batch.shares)
        expected = each[batch.weights > 0].mean()
        assert variant.step(batch, 0).loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert (batch.weights > 0).sum() in (1, 4)


def due_steps(made: Loop) -> list[int]:
    """Run a whole training and list the steps at which the entropy is computed, from 0."""
    steps, inputs = [], []
    term = made.variant._step.entropy_term
    step, mean = made.variant.step, term.mean_entropy
    made.variant.step = lambda batch, update: inputs.append(0) or step(batch, update)
    term.mean_entropy = lambda *rest: steps.append(len(inputs) - 1) or mean(*rest)
    trained(made)
    return steps


@pytest.mark.parametrize(("every", "expected"), [(1, list(range(9))), (4, [0, 4, 8]), (7, [0, 7])])
def test_it_is_computed_every_so_many_steps_of_the_whole_training_and_not_of_each_epoch(loop, every, expected):
    output = loop(epochs=3, regulariser="entropy", compute_every=every, where={"train_size": 12})
    assert due_steps(output) == expected


def test_an_epoch_without_the_term_is_found_and_reports_the_same_keys(loop):
    """The notes: 902 images in batches of 32 are 29 batches, of which every fiftieth is regularised."""
    values = {"regulariser": "entropy", "compute_every": 50, "batch_size": 1, "where": {"train_size": 29}}
    output = loop(epochs=4, **values)
    reports = [output.run_epoch() for _ in range(4)]
    checks = [{item["check"] for item in report["findings"]} for report in reports]
    assert output.variant.steps_per_epoch == 29
    assert ["regulariser never computed" in check for check in checks] == [False, False, True, False]
    assert [report["health/regulariser_share"] for report in reports] == pytest.approx([1 / 29, 1 / 29, 0, 1 / 29])
    assert len({frozenset(report) for report in reports}) == 1
    message = next(
        entry["message"] for entry in reports[2]["findings"] if entry["check"] == "regulariser never computed"
    )
    assert "50" in message


def test_raising_the_entropy_lowers_the_bias_on_probes_that_training_never_has(cache, loop):
    values = {"centre_bias": "uniform", "epochs": 6, "lr": 0.02, "where": {"train_size": 24, "viewers": 8, "probes": 8}}
    plain, weak, strong = (loop(**values, **more) for more in ({}, {**EVERY_3, "lambda_eff": 0.05}, EVERY_3))
    bits = []
    for output in (plain, weak, strong):
        trained(output)
        bits.append([output.report[f"val/bias_information{kind}_bits"] for kind in ("", "_reflect")])
    assert bits[0][0] > 0.3
    assert bits[1][0] < bits[0][0]
    assert bits[2][0] < 0.5 * bits[0][0]


def test_a_term_that_is_computed_at_every_fifth_step_lowers_the_bias_about_as_much(loop):
    """Its gradient is five times as large then, of which clipping to a norm would leave a fifth."""
    values = {"centre_bias": "uniform", "epochs": 6, "lr": 0.02, "where": {"train_size": 24, "viewers": 8, "probes": 8}}
    bits = []
    for full in (1, 5):
        output = loop(**values, regulariser="entropy", lambda_eff=1.0, compute_every=full)
        trained(output)
        bits.append(output.report["val/bias_information_bits"])
    assert 0.5 < bits[1] / bits[0] < 2
