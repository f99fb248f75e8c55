"""The stages of a training: how they share the epochs, and how each begins."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tiny_micrographs import SETTINGS, build, config
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.stages import stage_ends


def test_the_published_command_has_100_epochs_and_three_times_30():
    assert Config().epochs == 190
    assert stage_ends(Config()) == (100, 130, 160, 190)


@pytest.mark.parametrize("iterations", range(5))
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_stages_fill_the_budget_and_none_is_empty(iterations, share):
    for epochs in range(iterations + 1, 40):
        ends = stage_ends(config(epochs=epochs, iterations=iterations, supervised_share=share))
        assert len(ends) == iterations + 1
        assert ends[-1] == epochs
        assert (np.diff((0, *ends)) > 0).all()


def test_the_control_has_the_same_epochs_and_one_stage():
    assert stage_ends(config(iterations=0)) == (SETTINGS["epochs"],)
    assert [stage.name for stage in build(iterations=0).stages] == ["iteration_0_supervised"]


def test_every_iteration_begins_as_its_settings_say():
    variant = build(restart_weights=True, reset_optimizer=False, retrain_lr=0.3)
    assert [stage.name for stage in variant.stages] == [
        "iteration_0_supervised",
        "iteration_1_selftrain",
        "iteration_2_selftrain",
    ]
    supervised, *iterations = variant.stages
    assert (supervised.lr_factor, supervised.keeps_folder) == (1.0, True)
    for stage in iterations:
        assert (stage.restarts_schedule, stage.lr_factor, stage.first_weights, stage.fresh_optimizer) == (
            True,
            0.3,
            True,
            False,
        )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 2}, ["epochs=2", "iterations=2", "3 or more"]),
        ({"supervised_share": 0}, ["supervised_share=0", "init_from=EXPORT"]),
        ({"tile": 34}, ["tile=34", "multiple of 4"]),
        ({"weights": "timm"}, ["network=plain", "weights=timm"]),
        ({"network": "resnet18", "tile": 48}, ["tile=48", "multiple of 32"]),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, words):
    with pytest.raises(UsageError) as error:
        config(**values)
    assert all(word in str(error.value) for word in words)
