"""A variant's declared keys are those of its reports, in both directions, in the configs that differ in them."""

import importlib
import json

import pytest

from search import run
from search.feasibility import check_metrics
from search.space import Space, list_spaces
from tests.support import tiny_gaze, tiny_masks, tiny_micrographs, tiny_noise, tiny_scenes
from tests.support.loops import timeless
from trainables import registry
from trainables.commands import parse_arguments
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.report_keys import JUDGED_KEYS, LOOP_KEYS
from trainables.settings import UsageError
from trainables.training.loop import Loop

PREFIXES = ("val/", "health/", "train/", "raw/", "time/", "objective/")
BUILDERS = {
    "mask_st": tiny_masks.build,
    "noise_mask": tiny_noise.build,
    "unet_selftrain": tiny_micrographs.build,
    "seq_attention": tiny_scenes.build,
}
CONFIGS = {
    "mask_st": [
        {},
        *({"mask_kind": kind} for kind in ("none", "ppo", "random", "deterministic")),
        *({"mask_kind": kind, "weighting": "gradnorm"} for kind in ("straight_through", "random", "none")),
    ],
    "noise_mask": [*tiny_noise.FORMS.values(), {"probe_steps": 0}],
    "unet_selftrain": [{}, {"iterations": 0}, {"balance": "pos_weight"}],
    "seq_attention": [{}, {"spatial_loss": "heatmap_ce"}, {"glimpses": 2}, {"marker_channel": False}],
    "entropy_reg": [
        {},
        {"regulariser": "entropy"},
        {"history": "real", "regulariser": "entropy"},
        {"regulariser": "entropy", "lambda_eff": 0.0},
        {"centre_bias": "uniform", "learn_sigma": False},
    ],
}


def test_every_variant_declares_its_keys():
    assert set(CONFIGS) == set(registry.names())


@pytest.mark.parametrize(("name", "values"), [(name, values) for name in CONFIGS for values in CONFIGS[name]])
def test_the_keys_that_are_declared_are_those_that_are_reported(name, values, tmp_path):
    build = BUILDERS.get(name) or (lambda **settings: tiny_gaze.build(tmp_path, **settings))
    variant = build(**{**values, "epochs": 3})
    loop = Loop(variant, Objective((Goal("train/total"),)))
    declared = {*LOOP_KEYS, *JUDGED_KEYS, *importlib.import_module(f"trainables.{name}.reports").keys(loop.config)}
    while not loop.finished:
        reported = {key for key in loop.run_epoch() if key.startswith(PREFIXES) or key == "epoch"}
        assert reported == declared


@pytest.mark.parametrize("name", CONFIGS)
def test_an_evaluation_before_the_first_epoch_changes_no_report(name, tmp_path):
    build = BUILDERS.get(name) or (lambda **settings: tiny_gaze.build(tmp_path, **settings))
    reports = []
    for is_checked in (False, True):
        loop = Loop(build(epochs=3), Objective((Goal("train/total"),)))
        if is_checked:
            loop.check_metrics()
        reports.append([timeless(loop.run_epoch()) for _ in range(3)])
    assert json.dumps(reports[0]) == json.dumps(reports[1])  # as text, in which NaN equals itself


@pytest.mark.parametrize("space", list_spaces())
def test_the_project_s_own_spaces_name_metrics_that_are_reported(space):
    check_metrics(Space.load(space, {"fixed": {"init_from": "export/x"}} if space == "unet_thresholds" else {}))


@pytest.mark.parametrize("space", ["mask_st", "noise_mask", "unet_selftrain", "seq_attention", "entropy_reg"])
@pytest.mark.parametrize(
    "word",
    [
        *(f"objective.metric={name}" for name in ("val/nope", "test/auroc_macro", "null", "[val/loss]", "3", "''")),
        "objective.metric=objective/value",
        "objective.metric=health/findings",
        *(f"constraints.{name}" for name in ("val/nope=0.5", "test/x=1", "objective/value=1")),
        *(f"constraints.train/total={bound}" for bound in (".nan", ".inf", "-.inf", "1e400", "1" + 400 * "0", "[1]")),
        *(f"objective.give_up={share}" for share in (".nan", ".inf", "-1", "1e400")),
    ],
)
def test_an_objective_that_no_report_has_is_refused_before_anything_starts(space, word, tmp_path):
    with pytest.raises(UsageError) as refusal:
        run.main([f"space={space}", word, f"storage={tmp_path / 'runs'}", "dry_run=true"])
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("space", "metric", "nearest"),
    [
        ("mask_st", "val/auroc_makro", "val/auroc_macro"),
        ("noise_mask", "val/accuracy_balanced", "val/accuracy_balanced_mask"),
        ("unet_selftrain", "val/partical_ap", "val/particle_ap"),
        ("seq_attention", "rollout_f1", "val/rollout_f1"),
        ("entropy_reg", "test/information_gain_bits", "val/information_gain_bits"),
    ],
)
def test_the_nearest_key_is_suggested(space, metric, nearest):
    with pytest.raises(UsageError, match=nearest):
        check_metrics(Space.load(space, parse_arguments([f"objective.metric={metric}"])))


def test_a_metric_of_some_configs_alone_is_refused_with_one_that_lacks_it():
    words = ["objective.metric=val/iou", "params.mask_kind.choice=[straight_through,none]"]
    with pytest.raises(UsageError, match=r"mask_kind=none.*val/iou"):
        check_metrics(Space.load("mask_st", parse_arguments(words)))


def test_a_training_in_full_is_checked_too():
    entry = load("mask_st")
    with pytest.raises(UsageError, match="val/auroc_macro"):
        entry.check_metrics(entry.Config(), Objective((Goal("val/auroc_makro"),)))
