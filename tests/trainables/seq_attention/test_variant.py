"""The whole variant on tiny synthetic images: what it reports and restores, and the notes' defects."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.group import first_gradients, run_group
from tests.support.loops import check_stop_and_resume
from tests.support.tiny_scenes import DATA, build, config
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.seq_attention import drawing, panels
from trainables.seq_attention.config import Data
from trainables.seq_attention.model import Output
from trainables.seq_attention.panels import sort_by_target
from trainables.seq_attention.step import TrainingStep
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/rollout_f1"),), {"health/done_missed": 0.5})
FORMS = [
    {"glimpses": 1, "marker_jitter": 0.02, "augment": "light"},
    {"spatial_loss": "heatmap_ce", "target": "nearest_unmarked", "order": "nearest", "samples": 2},
    {"head": "heatmap", "spatial_loss": "huber_l2", "sampling": "separate", "order": "left_right", "clip_norm": 0},
    {"done_balance": "pos_weight", "spatial_loss": "literal", "marker": "ring", "accumulate": 2},
]


# -- reports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS)
def test_every_epoch_reports_the_same_finite_figures(values):
    loop = Loop(build(**values), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(3)]
    assert len({frozenset(report) for report in reports}) == 1
    numbers = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(numbers).all()
    for part in loop.variant.net.parts():
        assert reports[0][f"health/gradient_norm_{part}"] > 0


def test_validation_is_a_function_of_the_weights():
    variant = build()
    before = variant.evaluate("val")
    Loop(build(seed=1), OBJECTIVE).run_epoch()  # draws from other generators in between
    torch.rand(5)
    variant.begin_epoch(0)
    assert variant.evaluate("val") == before


def test_calibration_images_choose_thresholds_and_are_not_scored():
    variant = build()
    val = variant.splits["val"]
    assert 0 < val.calibration.sum() < len(val)
    moved = [points[:1] if chosen else points for points, chosen in zip(val.points, val.calibration, strict=True)]
    before = variant.evaluate("val")
    variant.splits["val"] = dataclasses.replace(val, points=moved)
    after = variant.evaluate("val")
    assert before["rollout_threshold"] != after["rollout_threshold"]
    for key in ("hit", "hit_any", "done_ap", "pixel_error_median_px"):  # these need no threshold
        assert before[key] == after[key]


def test_the_test_split_takes_the_thresholds_of_validation():
    variant = build(splits=("train", "val", "test"))
    val, tested = variant.evaluate("val"), variant.evaluate("test")
    for key in ("done_threshold", "rollout_threshold"):
        assert tested[key] == val[key]
    assert tested["pixel_error_mean_px"] != val["pixel_error_mean_px"]
    with pytest.raises(ValueError, match="test split"):
        build().evaluate("test")


def test_the_test_split_may_be_scored_without_the_training_images():
    full, lean = build(splits=("train", "val", "test")), build(splits=("val", "test"))
    assert lean.evaluate("test") == full.evaluate("test")


# -- the notes' defects ------------------------------------------------------------------------------------------


class OnValidationAlone(type(build())):
    """As published: the weight of done is in the loss that validation reports, and in no loss that is trained."""

    def step(self, batch, update):
        return TrainingStep(self.net, dataclasses.replace(self.config, done_weight=1.0))(batch, update)

    def evaluate(self, split):
        values = super().evaluate(split)
        brier = self.config.done_weight * values["done_brier"]
        return {**values, "loss": values["pixel_error_mean_px"] / 100 + brier}


def train_twice(kind, done_weight: float) -> tuple[dict[str, torch.Tensor], list[dict]]:
    variant = build(done_weight=done_weight)
    variant.__class__ = kind
    loop = Loop(variant, OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(2)]
    return loop.weights(), reports


def test_a_done_weight_on_validation_alone_changes_no_gradient_and_here_it_does():
    """The notes' fix of weighing done three times was in the branch that only validation ran."""
    (published, losses), (published_3, losses_3) = (train_twice(OnValidationAlone, weight) for weight in (1.0, 3.0))
    assert all(torch.equal(published[name], published_3[name]) for name in published)
    for before, after in zip(losses, losses_3, strict=True):
        assert before["health/grad_norm"] == after["health/grad_norm"]
        assert before["val/loss"] < after["val/loss"]  # what the published early stopping looked at
    (ours, reports), (ours_3, reports_3) = (train_twice(type(build()), weight) for weight in (1.0, 3.0))
    assert not any(torch.equal(ours[name], ours_3[name]) for name in ours if name.endswith("weight"))
    assert reports[0]["health/grad_norm"] != reports_3[0]["health/grad_norm"]


def test_no_figure_contains_a_setting_that_is_searched():
    """Weights and thresholds of the losses change training, and nothing that the same network is judged by."""
    variant = build(spatial_loss="huber_axis")
    before = variant.evaluate("val")
    variant.config = dataclasses.replace(variant.config, done_weight=9.0, tau=0.5, spatial_loss="literal")
    assert variant.evaluate("val") == before


def test_pairs_with_nothing_left_move_no_location():
    """The published target of a done pair was the middle of the image, and its loss was not masked."""
    variant = build(p_done=0.99, hardness=0.0, done_weight=0.0)
    batch = next(batch for epoch in range(20) for batch in variant.batches(epoch) if batch.done.all())
    variant.step(batch, 0).loss.backward()
    for parameter in variant.net.location.parameters():
        assert parameter.grad is None or not parameter.grad.any()


# -- losses ------------------------------------------------------------------------------------------------------


def test_with_nearest_unmarked_any_object_that_is_left_is_right_and_the_nearest_is_wanted():
    variant = build(target="nearest_unmarked", spatial_loss="mse", hardness=0.0, p_done=0.01)
    batch = next(variant.batches(0))
    several = batch.remaining.sum(dim=1) > 1
    assert several.any()
    last = torch.stack(
        [rows[left][-1] if left.any() else rows[0] for rows, left in zip(batch.objects, batch.remaining, strict=True)]
    )
    at_the_last = Output(last, torch.zeros(len(last)), None, None)
    step = TrainingStep(variant.net, variant.config)
    assert step.location_losses(at_the_last, batch)[several].abs().max() == 0
    ordered = TrainingStep(variant.net, dataclasses.replace(variant.config, target="ordered"))
    assert ordered.location_losses(at_the_last, batch)[several].min() > 0


def test_the_done_loss_weighs_done_as_the_settings_say():
    variant = build(done_balance="pos_weight", pos_weight=7.0, hardness=0.0, dropout=0.0)
    batch = next(batch for batch in variant.batches(0) if batch.done.any())
    logits = variant.net(batch.images, batch.k, batch.extent).done
    expected = F.binary_cross_entropy_with_logits(logits, batch.done.float(), pos_weight=torch.tensor(7.0))
    torch.testing.assert_close(variant.step(batch, 0).components["raw/done"], expected.detach())


def test_a_missed_end_is_one_that_would_not_end_a_roll_out():
    values = build().evaluate("val")
    assert values["health/done_missed"] == 1 - values["done_stops"]


def test_statistics_of_batches_are_averaged_over_processes_before_anything_is_asked():
    asked = []

    class Recording(Processes):
        def average_buffers(self, modules):
            asked.append([type(parameter).__name__ for parameter in modules])

    build(processes=Recording()).evaluate("val")
    assert asked == [["Network"]]


# -- stopping and going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS)
def test_stop_and_resume_equals_straight_through(values):
    check_stop_and_resume(lambda: Loop(build(**values), OBJECTIVE), (1, 2, 3))  # dropout's generator among all else


def test_patience_ends_a_training_by_the_objective_and_not_by_a_loss():
    loop = Loop(build(epochs=12, patience=2, lr=0.0), OBJECTIVE)  # nothing ever gets better
    while not loop.finished:
        loop.run_epoch()
    assert loop.epoch_done == 3
    assert loop.monitor.stop_reason == "patience: no better val/rollout_f1 for 2 epochs"


TOGETHER = {"dropout": 0.0, "sampling": "separate", "glimpses": 1}


def work(processes: Processes, _folder: Path) -> dict:
    gradients = first_gradients(build(processes=processes, **TOGETHER))
    return {"gradients": gradients, "report": Loop(build(processes=processes, **TOGETHER), OBJECTIVE).run_epoch()}


def test_two_processes_compute_what_one_does(tmp_path):
    """In `separate`, one of the two has all rows that teach done: a mean of each part's mean would be another loss."""
    gradients, report = first_gradients(build(**TOGETHER)), Loop(build(**TOGETHER), OBJECTIVE).run_epoch()
    assert sum(float(parameter.abs().max()) > 1e-4 for parameter in gradients) > 10
    for result in run_group(work, 2, tmp_path):
        for key in ("val/pixel_error_mean_px", "val/done_ap", "val/count_error", "raw/location", "health/grad_norm"):
            assert result["report"][key] == pytest.approx(report[key], rel=1e-3, abs=1e-6), key
        for mine, whole in zip(result["gradients"], gradients, strict=True):
            torch.testing.assert_close(mine, whole, rtol=1e-4, atol=1e-6)


# -- pictures and facts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["ordered", "nearest_unmarked"])
def test_pictures_of_a_few_images_show_two_answers_and_a_roll_out(target):
    result = build(target=target, data={"val_size": 24}).panels()
    assert set(result) == {f"image_{index + 1}" for index in range(panels.COUNT)}
    for picture in result.values():
        assert picture.dtype == np.uint8
        assert picture.shape[1] > 2 * drawing.SIDE  # three, of which a tall image makes narrower ones


def test_facts_are_what_counting_with_an_export_needs():
    facts = build().describe()
    counts = [len(parameter) for parameter in build().splits["train"].points]
    assert facts["rollout_limit"] == max(8, -(-3 * max(counts) // 2))
    assert facts["hit_radius_px"] == Data(**DATA).radius == 5


def test_bf16_trains_and_answers_in_float32():
    loop = Loop(build(precision="bf16", spatial_loss="heatmap_ce", glimpses=1), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(2)]
    assert reports[1]["raw/location"] < reports[0]["raw/location"]


def test_pictures_say_of_the_object_that_the_settings_call_right():
    left, point = np.array([[10.0, 10.0], [50.0, 50.0], [20.0, 20.0]]), np.array([22.0, 22.0])
    assert sort_by_target(left, point, config()).tolist() == left.tolist()
    nearest = sort_by_target(left, point, config(target="nearest_unmarked"))
    assert nearest[0].tolist() == [20.0, 20.0]
    assert sorted(nearest.tolist()) == sorted(left.tolist())
