"""The stages of a training: what each begins with, its learning rates, and resume bit for bit with every kind."""

import itertools

import pytest
import torch

from tests.support.linear import learning_rates, linear_loop
from tests.support.loops import through_a_file, timeless
from trainables.stages import Stage
from trainables.training.loop import Loop


def three_parts(**flags):
    """Three stages of two epochs each, the later two with the flags."""
    return (Stage("a", 2), Stage("b", 4, **flags), Stage("c", 6, **flags))


def beginnings(loop):
    """Record, at each optimiser step from now on: epoch, the weight before it, whether there are moments."""
    met = []
    loop.optimizer.register_step_pre_hook(
        lambda optimizer, *_: met.append((loop.epoch_done, loop.variant.weight, bool(optimizer.state)))
    )
    return met


def first_of(epoch, met):
    return next((weight, moments) for number, weight, moments in met if number == epoch)


@pytest.mark.parametrize("fresh_optimizer", [False, True])
@pytest.mark.parametrize("first_weights", [False, True])
def test_a_stage_begins_with_the_weights_and_the_moments_that_it_asks_for(first_weights, fresh_optimizer):
    parts = three_parts(first_weights=first_weights, fresh_optimizer=fresh_optimizer)
    loop = linear_loop(epochs=6, parts=parts)
    first, met, ends = loop.variant.weight, beginnings(loop), {}
    while not loop.finished:
        loop.run_epoch()
        ends[loop.epoch_done] = loop.variant.weight
    for border in (2, 4):
        weight, moments = first_of(border, met)
        assert torch.equal(weight, first if first_weights else ends[border])
        assert moments is not fresh_optimizer
        assert torch.equal(loop.variant.met[border], ends[border])  # the variant still sees the stage before
    for inside in (1, 3, 5):
        weight, moments = first_of(inside, met)
        assert torch.equal(weight, ends[inside])
        assert moments


def test_the_weights_that_training_began_with_are_all_of_the_modules_state():
    loop = linear_loop(epochs=6, parts=three_parts(first_weights=True))
    module = loop.variant.model
    module.register_buffer("counter", torch.zeros(()))
    loop = Loop(loop.variant, loop.monitor.objective)
    loop.run_epoch()
    loop.run_epoch()
    module.counter += 5
    loop.run_epoch()
    assert module.counter == 0


FLAGS = ("restarts_schedule", "first_weights", "fresh_optimizer")


@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=3)), ids=str)
def test_stages_stop_and_resume_bit_for_bit_at_every_epoch(flags):
    parts = three_parts(**dict(zip(FLAGS, flags, strict=True)))
    settings = {"dropout": 0.3, "noise": 0.5, "accumulate": 2, "epochs": 6, "parts": parts}
    straight = linear_loop(**settings)
    expected, states = [], []
    for _ in range(6):
        expected.append(timeless(straight.run_epoch()))
        states.append(through_a_file(straight.state()))
    for stopped_at in range(1, 6):
        resumed = linear_loop(**settings)
        resumed.load_state(states[stopped_at - 1])
        assert [timeless(resumed.run_epoch()) for _ in range(6 - stopped_at)] == expected[stopped_at:]
        for name, value in straight.weights().items():
            assert torch.equal(value, resumed.weights()[name])


@pytest.mark.parametrize(("stopped_at", "inside"), [(1, True), (2, False), (3, True), (4, False), (5, True)])
def test_a_resumed_training_goes_back_at_a_border_alone(stopped_at, inside):
    settings = {"epochs": 6, "parts": three_parts(first_weights=True, fresh_optimizer=True)}
    stopped = linear_loop(**settings)
    first = stopped.variant.weight
    for _ in range(stopped_at):
        stopped.run_epoch()
    resumed = linear_loop(**settings)
    resumed.load_state(through_a_file(stopped.state()))
    met = beginnings(resumed)
    resumed.run_epoch()
    weight, moments = first_of(stopped_at, met)
    assert torch.equal(weight, stopped.variant.weight if inside else first)
    assert moments is inside


def test_a_report_says_its_stage_and_the_loop_when_one_is_over():
    loop = linear_loop(epochs=6, parts=three_parts())
    stages, over = [], [loop.stage_over]
    while not loop.finished:
        stages.append(loop.run_epoch()["train/stage"])
        over.append(loop.stage_over and loop.stage_over.name)
    assert stages == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    assert over == [None, None, "a", None, "b", None, "c"]


@pytest.mark.parametrize(
    ("comparable", "expected"),
    [
        ((False, False, False), [(0, 2), (1, 4), (2, 6)]),
        ((False, True, False), [(0, 4), (0, 4), (1, 6)]),
        ((False, False, True), [(0, 2), (1, 6), (1, 6)]),
        ((True, True, True), [(0, 6), (0, 6), (0, 6)]),
    ],
)
def test_stages_that_may_be_compared_count_as_one_that_ends_with_the_last(comparable, expected):
    parts = tuple(stage._replace(comparable=each) for stage, each in zip(three_parts(), comparable, strict=True))
    loop = linear_loop(epochs=6, parts=parts)
    reports = [loop.run_epoch() for _ in range(6)]
    found = [(report["train/compared_stage"], report["train/compared_end"]) for report in reports]
    assert found == [each for each in expected for _ in range(2)]
    assert [report["train/stage"] for report in reports] == [0, 0, 1, 1, 2, 2]  # which epoch is the best hangs on it


def test_a_training_without_stages_is_one_that_is_over_at_the_end():
    loop = linear_loop(epochs=2)
    assert loop.run_epoch()["train/stage"] == 0.0
    assert loop.stage_over is None
    loop.run_epoch()
    assert loop.stage_over == Stage("training", 2)


def test_stages_that_begin_anew_repeat_the_learning_rates_of_one_that_is_as_long():
    anew = {"restarts_schedule": True, "lr_factor": 0.5}
    alone = learning_rates(epochs=2, warmup_epochs=0.5)
    parts = learning_rates(epochs=6, warmup_epochs=0.5, parts=three_parts(**anew))
    assert parts == pytest.approx([*alone, *(0.5 * rate for rate in alone), *(0.5 * rate for rate in alone)])


def test_stages_that_go_on_leave_the_learning_rates_alone():
    assert learning_rates(epochs=6, parts=three_parts()) == learning_rates(epochs=6)
