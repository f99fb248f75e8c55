"""The whole variant on tiny synthetic micrographs: stages, what it reports and restores, the notes' defects."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.loops import check_stop_and_resume
from tests.support.tiny_micrographs import build
from trainables.files import METRICS, STAGE_PANEL, WEIGHTS
from trainables.images.sheets import HEADER
from trainables.measuring import calibration
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.unet_selftrain import panels, pseudo

OBJECTIVE = Objective((Goal("val/particle_ap"),))
LOOSE = {"threshold_scale": "calibrated", "base_pos": 0.5, "base_neg": 0.1, "trust_negatives": "far"}


# -- reports -----------------------------------------------------------------------------------------------------


def test_every_stage_reports_the_same_finite_figures():
    loop = Loop(build(**LOOSE), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(6)]
    assert len({frozenset(report) for report in reports}) == 1
    numbers = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(numbers).all()
    assert [report["train/iteration"] for report in reports] == [0, 0, 1, 1, 2, 2]
    assert [report["train/stage"] for report in reports] == [0, 0, 1, 1, 2, 2]
    assert reports[0]["train/ignored_share"] == 0
    assert reports[2]["train/ap_before"] == pytest.approx(reports[1]["val/particle_ap"])
    highest = max(reports[epoch]["val/particle_ap"] for epoch in (1, 3))
    assert reports[4]["train/ap_before"] == pytest.approx(highest)


def test_validation_is_a_function_of_the_weights():
    variant = build(augment=1.0)
    before = variant.evaluate("val")
    Loop(build(augment=1.0), OBJECTIVE).run_epoch()  # draws from other generators in between
    torch.rand(5)
    variant.begin_epoch(0)
    assert variant.evaluate("val") == before


def test_calibration_micrographs_choose_thresholds_and_are_not_scored():
    variant = build()
    val = variant.splits["val"]
    assert 0 < val.calibration.sum() < len(val)
    moved = [
        points + 1000 if chosen else points for points, chosen in zip(val.known_particles, val.calibration, strict=True)
    ]
    free = [  # figures that need no threshold
        "particle_ap",
        "particle_ap_half_radius",
        "pixel_auroc",
    ]
    before = variant.evaluate("val")
    variant.splits["val"] = dataclasses.replace(val, known_particles=moved)
    after = variant.evaluate("val")
    assert [before[key] for key in free] == [after[key] for key in free]
    assert before["particle_threshold"] != after["particle_threshold"]


def test_the_test_split_takes_the_thresholds_of_validation():
    variant = build(splits=("train", "val", "test"))
    val, tested = variant.evaluate("val"), variant.evaluate("test")
    assert tested["particle_threshold"] == val["particle_threshold"]
    assert tested["particle_ap"] != val["particle_ap"]
    with pytest.raises(ValueError, match="test split"):
        build().evaluate("test")


# -- pseudo-labels -----------------------------------------------------------------------------------------------


def test_pseudo_labels_are_those_of_the_micrographs_as_they_are():
    """The published helper predicted on turned and flipped images, so that four in five maps missed their image."""
    loop = Loop(build(augment=1.0, rotation=180.0, **LOOSE), OBJECTIVE)
    loop.run_epoch()
    loop.run_epoch()
    variant = loop.variant
    variant.net.eval()
    with torch.no_grad():  # not by the variant's own way of predicting, and as the micrograph is
        images = [torch.from_numpy(variant.splits["train"].image(index))[None, None] for index in range(4)]
        expected = [variant.net(image).sigmoid()[0, 0].numpy() for image in images]
    variant.begin_epoch(2)
    thresholds = pseudo.relax_thresholds(variant.config, 1)
    for probabilities, target in zip(expected, variant.lesson.targets, strict=True):
        scaled = calibration.apply_platt(probabilities, variant.teacher.platt)
        assert (target[scaled < thresholds.neg - 1e-5] != -1).all()
        assert (target[scaled > thresholds.pos + 1e-5] == 100).all()
        assert (target == 100).any()


def test_an_iteration_trains_on_what_its_teacher_says():
    loop = Loop(build(**LOOSE), OBJECTIVE)
    supervised = [target.copy() for target in loop.variant.lesson.targets]
    for _ in range(3):
        loop.run_epoch()
    targets = loop.variant.lesson.targets
    assert any((target == -1).any() for target in targets)
    for before, after in zip(supervised, targets, strict=True):
        assert (after[before > 0] == before[before > 0]).all()  # known particles stay
        assert not (before == -1).any()


def test_hidden_particles_never_reach_the_targets_of_the_first_stage():
    variant = build(data={"label_share": 0.5})
    train = variant.splits["train"]
    for index, target in enumerate(variant.lesson.targets):
        own = np.round(train.downsample_points(train.hidden_particles[index])).astype(int)
        known = train.downsample_points(train.known_particles[index])
        for x, y in own[((own >= 0) & (own < 64)).all(axis=1)]:
            if (np.hypot(*(known - [x, y]).T) > 7).all():
                assert target[y, x] == 0


def test_calibrated_thresholds_find_pseudo_labels_where_the_published_ones_find_none():
    def new_components(**values) -> float:
        loop = Loop(build(iterations=1, supervised_share=0.7, **values), OBJECTIVE)
        return [loop.run_epoch() for _ in range(6)][-1]["train/new_components"]

    assert new_components(base_pos=0.95, pos_floor=0.8, base_neg=0.05) == 0
    assert new_components(**LOOSE) > 0


# -- stopping and going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {**LOOSE},
        {**LOOSE, "restart_weights": True, "reset_optimizer": False},
        {"threshold_scale": "probability", "trust_negatives": "all", "target": "gaussian"},
    ],
)
def test_stop_and_resume_equals_straight_through_inside_and_across_iterations(values):
    def make() -> Loop:
        return Loop(build(augment=0.8, rotation=180.0, **values), OBJECTIVE)

    check_stop_and_resume(make, (1, 2, 3, 4, 5), own_generators=True)


def test_every_stage_leaves_its_model_figures_and_picture(tmp_path):
    training = TrainingFolder(tmp_path / "trial", Loop(build(**LOOSE), OBJECTIVE), {})
    while not training.loop.finished:
        training.run_epoch()
    training.close()
    for name in ("iteration_0_supervised", "iteration_1_selftrain", "iteration_2_selftrain"):
        assert {each.name for each in (tmp_path / "trial" / name).iterdir()} == {WEIGHTS, METRICS, STAGE_PANEL}


def test_a_picture_has_three_parts_and_four_with_pseudo_labels():
    variant = build(**LOOSE)
    before = variant.stage_panel()
    variant.begin_epoch(2)
    after = variant.stage_panel()
    (height, width), (taller, narrower) = before.shape[:2], after.shape[:2]
    assert width == 3 * panels.SIDE  # one row of three
    assert narrower == 2 * panels.SIDE  # two of two
    assert taller == pytest.approx(2 * height, abs=2 * HEADER)
    fourth = after[taller // 2 + 40 :, panels.SIDE + 40 :]
    assert {tuple(colour) for colour in fourth.reshape(-1, 3).tolist()} >= {(0, 0, 0), (255, 255, 255), (96, 96, 96)}
    assert set(variant.panels()) == {"micrograph_1", "micrograph_2", "micrograph_3"}


def test_the_batches_of_two_processes_are_those_of_one():
    batches = [list(build(processes=Processes(rank, 2), augment=0.8).batches(0)) for rank in range(2)]
    for whole, even, odd in zip(build(augment=0.8).batches(0), *batches, strict=True):
        both = torch.stack([even.images, odd.images], dim=1).flatten(0, 1)
        assert torch.equal(both, whole.images)
