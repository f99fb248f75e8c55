"""The one loop: resume bit for bit, schedules of the full budget, accumulation, guards, early stopping."""

import math

import pytest
import torch

from tests.support.linear import learning_rates, linear_loop
from tests.support.loops import through_a_file, timeless
from trainables import registry as variants
from trainables.objective import Goal, Objective
from trainables.stages import Stage
from trainables.training.loop import Loop
from trainables.training.monitor import DivergedError

RANDOM = {"dropout": 0.3, "noise": 0.5, "epochs": 4, "accumulate": 2}


@pytest.mark.parametrize("stopped_at", [1, 2, 3])
def test_stop_and_resume_equals_straight_through_bit_for_bit(stopped_at):
    straight = linear_loop(**RANDOM)
    expected = [timeless(straight.run_epoch()) for _ in range(4)]

    first = linear_loop(**RANDOM)
    reports = [timeless(first.run_epoch()) for _ in range(stopped_at)]
    state = through_a_file(first.state())
    second = linear_loop(**RANDOM)
    torch.rand(7)  # whatever ran in this process before must not matter
    second.load_state(state)
    reports += [timeless(second.run_epoch()) for _ in range(4 - stopped_at)]

    assert reports == expected
    for name, value in straight.weights().items():
        assert torch.equal(value, second.weights()[name])
    assert timeless(second.monitor.best) == timeless(straight.monitor.best)
    assert second.finished


def test_reports_have_the_same_keys_every_epoch_in_the_groups_of_the_design():
    loop = linear_loop(epochs=3, sick=(2,), collapse_patience=0)
    reports = [loop.run_epoch() for _ in range(3)]
    assert reports[0].keys() == reports[1].keys() == reports[2].keys()
    groups = {key.split("/")[0] for key in reports[0]}
    assert groups == {"epoch", "train", "raw", "val", "health", "objective", "time", "findings", "stop_reason", "stage"}
    assert [report["epoch"] for report in reports] == [1, 2, 3]
    assert reports[2]["time/total_s"] >= reports[1]["time/total_s"] + reports[2]["time/train_s"]


def test_components_are_means_over_the_epoch():
    loop = linear_loop(lr=0.0)
    report = loop.run_epoch()
    assert report["raw/mse"] == pytest.approx(report["val/mse"], rel=1e-5)  # nothing was learned, every row came once
    assert report["train/total"] == pytest.approx(report["raw/mse"], rel=1e-6)


def test_the_learning_rate_is_a_function_of_the_share_of_the_budget():
    many_short = learning_rates(epochs=9, batch_size=24, warmup_epochs=3)
    few_long = learning_rates(epochs=3, batch_size=8, warmup_epochs=1)
    assert many_short == pytest.approx(few_long)


def test_the_learning_rate_warms_up_and_ends_near_nothing():
    rates = learning_rates(epochs=8, warmup_epochs=2, lr=0.05)
    peak = rates.index(max(rates))
    assert peak == pytest.approx(2 * 3, abs=1)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] == pytest.approx(0.05 * 0.5 / 6)
    assert rates[15] == pytest.approx(0.05 * 0.5 * (1 + math.cos(math.pi * 9.5 / 18)))
    assert rates[-1] < 0.001


@pytest.mark.parametrize(("size", "accumulate"), [(12, 2), (8, 3), (4, 6)])
def test_accumulated_parts_make_the_step_of_the_whole(size, accumulate):
    whole = linear_loop(batch_size=24, epochs=3)
    parts = linear_loop(batch_size=size, accumulate=accumulate, epochs=3)
    for _ in range(3):
        steps = []
        whole.run_epoch()
        parts.run_epoch(lambda steps=steps: steps.append(1))
        assert len(steps) == parts.steps_per_epoch == 1
    for name, value in whole.weights().items():
        torch.testing.assert_close(parts.weights()[name], value)


def test_a_last_group_that_is_not_full_is_averaged_over_what_it_has():
    loop = linear_loop(batch_size=8, accumulate=2, epochs=1, clip_norm=0.0)
    gradients = []
    loop.optimizer.register_step_pre_hook(lambda *_: gradients.append(loop.variant.model[1].weight.grad.clone()))
    loop.run_epoch()
    assert loop.steps_per_epoch == len(gradients) == 2
    alone = linear_loop(batch_size=8, accumulate=1, epochs=1, lr=0.0, clip_norm=0.0)
    each = []
    alone.optimizer.register_step_pre_hook(lambda *_: each.append(alone.variant.model[1].weight.grad.clone()))
    alone.run_epoch()
    torch.testing.assert_close(gradients[0], (each[0] + each[1]) / 2)


@pytest.mark.parametrize(("clip", "clipped"), [(0.1, True), (0.0, False), (1e6, False)])
def test_gradients_are_clipped_and_their_norm_is_reported_unclipped(clip, clipped):
    loop = linear_loop(clip_norm=clip, epochs=1, batch_size=24)
    norms = []
    loop.optimizer.register_step_pre_hook(
        lambda *_: norms.append(torch.nn.utils.get_total_norm([each.grad for each in loop.variant.model.parameters()]))
    )
    reported = loop.run_epoch()["health/grad_norm"]
    assert reported > 1
    assert float(norms[0]) == pytest.approx(clip if clipped else reported, rel=1e-4)


@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("auto", False), ("fp32", False)])
def test_precision_decides_autocast(precision, expected):
    loop = linear_loop(precision=precision)
    loop.run_epoch()
    assert set(loop.variant.autocast) == {expected}


def curves(goal: Goal, **config) -> Loop:
    entry = variants.load("benchmarks.curves")
    return Loop(entry.build(entry.Config.from_dict(config), entry.Data()), Objective((goal,)))


def test_a_loss_that_is_not_finite_ends_the_training_with_a_sentence():
    loop = curves(Goal("val/score"), goes_wrong="nan", wrong_epoch=2, lr=1e-3)
    loop.run_epoch()
    with pytest.raises(DivergedError, match=r"loss became nan in epoch 2 by step 1; lower lr \(0\.001\) or clip_norm"):
        loop.run_epoch()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_objective_that_is_not_finite_ends_the_training(value):
    loop = linear_loop(bad_metric=value)
    loop.run_epoch()
    with pytest.raises(DivergedError, match=f"val/mse is {value} in epoch 2"):
        loop.run_epoch()


@pytest.mark.parametrize(
    "objective",
    [
        Objective((Goal("val/score"), Goal("val/mse", "min"))),
        Objective((Goal("val/score"),), {"val/mse": 1.0}),
    ],
)
def test_any_goal_or_constraint_that_is_not_finite_ends_the_training(objective):
    loop = linear_loop(objective, bad_metric=float("nan"))
    evaluate = loop.variant.evaluate
    loop.variant.evaluate = lambda split: {**evaluate(split), "score": 1.0}
    loop.run_epoch()
    with pytest.raises(DivergedError, match="val/mse"):
        loop.run_epoch()


def test_patience_counts_epochs_since_the_best():
    loop = curves(Goal("val/score", "min"), patience=2, epochs=9)  # the score rises: the first epoch stays the best
    while not loop.finished:
        loop.run_epoch()
    assert loop.epoch_done == 3
    assert loop.monitor.best["epoch"] == 1
    assert loop.monitor.stop_reason == "patience: no better val/score for 2 epochs"


def test_patience_lets_a_training_go_on_that_gets_better():
    loop = curves(Goal("val/score"), patience=1, epochs=5)
    while not loop.finished:
        loop.run_epoch()
        assert loop.monitor.stands
    assert loop.epoch_done == 5
    assert loop.monitor.stop_reason is None


@pytest.mark.parametrize(
    ("sick", "patience", "ends"),
    [((2, 3, 4), 2, 3), ((2, 4, 5), 2, 5), ((1,), 1, 1), ((2, 3, 4), 0, 6), ((6,), 1, 6)],
)
def test_a_training_that_stays_sick_is_stopped_with_the_findings_sentence(sick, patience, ends):
    loop = linear_loop(epochs=6, sick=sick, collapse_patience=patience)
    while not loop.finished:
        report = loop.run_epoch()
        assert report["health/fatal"] == report["health/findings"] == float(report["epoch"] in sick)
    assert loop.epoch_done == ends
    assert loop.monitor.stop_reason == ("health: the line is flat; raise lr" if ends < 6 else None)


def test_sick_epochs_are_counted_across_a_resume():
    first = linear_loop(epochs=6, sick=(2, 3), collapse_patience=2)
    first.run_epoch()
    first.run_epoch()
    second = linear_loop(epochs=6, sick=(2, 3), collapse_patience=2)
    second.load_state(first.state())
    second.run_epoch()
    assert second.monitor.stop_reason is not None


# -- patience and stages ----------------------------------------------------------------------------------------------


def test_patience_never_ends_a_training_in_an_earlier_stage():
    parts = (Stage("a", 4), Stage("b", 8))
    loop = linear_loop(lr=0.0, patience=2, epochs=8, parts=parts)  # nothing is learnt, so no epoch is better
    while not loop.finished:
        loop.run_epoch()
    assert loop.epoch_done == 7  # the first epoch of the last stage is its best one, and two more are not better
    assert loop.report["stage"] == "b" and loop.monitor.stop_reason.startswith("patience: ")


def test_a_fatal_finding_ends_a_training_in_any_stage():
    parts = (Stage("a", 4), Stage("b", 8))
    loop = linear_loop(sick=(1, 2), collapse_patience=2, epochs=8, parts=parts)
    while not loop.finished:
        loop.run_epoch()
    assert (loop.epoch_done, loop.report["stage"], loop.report["train/stages_left"]) == (2, "a", 1.0)


def test_with_several_goals_patience_counts_from_the_best_epoch_of_the_first_and_every_epoch_stands():
    goals = Objective((Goal("val/mse", "min"), Goal("health/bias", "min")))
    loop = linear_loop(goals, lr=0.0, patience=2, epochs=8)
    while not loop.finished:
        loop.run_epoch()
        assert loop.monitor.standing is loop.report
    assert (loop.epoch_done, loop.monitor.best["epoch"]) == (3, 1)
