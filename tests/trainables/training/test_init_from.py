"""`init_from` before anything is trained: what is refused, by which commands, and who does not need the export."""

import shutil
import sys

import pytest
from safetensors.torch import save_file

from analysis import export
from search import run
from search.space import Space
from tests.support.simulated import board, by_training, search, space
from trainables import registry as variants
from trainables.commands import run_command
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, WEIGHTS, write_yaml
from trainables.objective import Goal, Objective
from trainables.settings import UsageError
from trainables.training import init_from
from trainables.training.loop import Loop

SCORE = Objective((Goal("val/score"),))


@pytest.fixture
def curves(tmp_path):
    """Write an export of the curves."""
    entry = variants.load("benchmarks.curves")
    folder = tmp_path / "curves"
    folder.mkdir()
    Recipe(entry, entry.Config(), entry.Data(), SCORE, seed=5).write(folder / CONFIG)
    save_file(Loop(entry.build(entry.Config(), entry.Data(), seed=5), SCORE).weights(), folder / WEIGHTS)
    return folder


@pytest.fixture
def masks(tmp_path):
    """Write a folder that claims to be an export of mask_st with a mask on a grid of 16 pixels."""
    entry = variants.load("mask_st")
    folder = tmp_path / "masks"
    folder.mkdir()
    Recipe(entry, entry.Config(backbone="micro", mask_stride=16), entry.Data(), SCORE, seed=0).write(folder / CONFIG)
    (folder / WEIGHTS).touch()
    return folder


def test_what_fits_is_accepted(curves, masks):
    entry = variants.load("mask_st")
    points = variants.load("benchmarks.curves")
    init_from.check("benchmarks.curves", points.Config(init_from=str(curves), x=0.2), points.Data())
    init_from.check(
        "mask_st", entry.Config(init_from=str(masks), backbone="micro", mask_stride=16, lr=1e-5), entry.Data()
    )
    init_from.check("mask_st", entry.Config(), entry.Data())


@pytest.mark.parametrize(("field", "value"), [("split_seed", 7), ("val_share", 0.3)])
def test_an_export_that_has_seen_what_it_would_be_judged_by_is_refused(masks, field, value):
    entry = variants.load("mask_st")
    config = entry.Config(init_from=str(masks), backbone="micro", mask_stride=16)
    init_from.check("mask_st", config, entry.Data(calibration_share=0.3))  # says nothing of who is in which split
    with pytest.raises(UsageError, match=f"data.{field}=.*give data.{field}="):
        init_from.check("mask_st", config, entry.Data(**{field: value}))


def test_a_space_goes_on_with_the_settings_of_the_export_but_for_what_it_says_itself(masks):
    overrides = {"fixed": {"init_from": str(masks), "image_size": 64, "batch_size": 12}}
    space = Space.load("mask_st", overrides)
    config = space.config(space.default_params())
    assert (config.mask_stride, config.backbone) == (16, "micro")
    assert config.lr == variants.load("mask_st").Config().lr  # searched, so the default trial has the default
    again = Space.from_source(space.name, space.source)  # from its record, without the export
    assert again.config(again.default_params()) == config
    assert Space.load("mask_st", {"fixed": {**overrides["fixed"], "mask_stride": 8}}).fixed["mask_stride"] == 8


def no_folder(folder):
    shutil.rmtree(folder)


def no_config(folder):
    (folder / CONFIG).unlink()


def no_weights(folder):
    (folder / WEIGHTS).unlink()


def other_variant(folder):
    write_yaml(folder / CONFIG, {"variant": "benchmarks.curves", "config": {}})


def half_a_config(folder):
    write_yaml(folder / CONFIG, {"variant": "mask_st"})


def nothing(folder):
    """Its mask_stride is not the one that is asked for."""


MISTAKES = [
    (no_folder, f"has no {CONFIG}; `python -m analysis.export` writes such a folder."),
    (no_config, f"has no {CONFIG}; `python -m analysis.export` writes such a folder."),
    (no_weights, f"has no {WEIGHTS}; `python -m analysis.export` writes such a folder."),
    (other_variant, "is of the variant benchmarks.curves; give an export of mask_st."),
    (half_a_config, f"has no settings in its {CONFIG}; `python -m analysis.export` writes such a folder."),
    (nothing, "was trained with mask_stride=16, and here it is 8: give fixed.mask_stride=16."),
]


@pytest.mark.parametrize(("spoil", "said"), MISTAKES)
def test_a_search_with_an_export_that_does_not_fit_ends_with_code_2_before_any_trial(
    masks, tmp_path, monkeypatch, capsys, spoil, said
):
    spoil(masks)
    words = ["space=mask_st", f"fixed.init_from={masks}", "fixed.mask_stride=8", f"storage={tmp_path}", "name=mine"]
    words += ["cpus=1", "quiet=true"]
    monkeypatch.setattr(sys, "argv", ["search.run", *words, f"data.cache={tmp_path}/cache"])
    with pytest.raises(SystemExit) as ended:
        run_command(run.main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: init_from={masks} {said}\n"
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "cache").exists()


def test_the_trials_of_a_search_are_given_the_export_as_an_absolute_path(curves, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert space(fixed={"init_from": "curves"}).fixed["init_from"] == str(curves)


def test_a_training_needs_the_export_to_be_there(curves):
    entry = variants.load("benchmarks.curves")
    config = entry.Config(init_from=str(curves))
    entry.check(config, entry.Data())
    shutil.rmtree(curves)
    with pytest.raises(UsageError, match="init_from"):
        entry.check(config, entry.Data())


def test_what_was_trained_from_an_export_is_scored_exported_and_used_without_it(curves, tmp_path):
    on = board(tmp_path / "mine", budget={"trials": 1, "max_epochs": 3}, fixed={"init_from": str(curves)})
    search(on, train=by_training)
    shutil.rmtree(curves)
    to = tmp_path / "exported"
    assert export.main([f"run={tmp_path / 'mine'}", f"to={to}", "test=true", "device=cpu"]) == 0
    recipe = Recipe.read(to / CONFIG, {}, {})
    assert recipe.config.init_from == str(curves)
    assert recipe.entry.build(recipe.config, recipe.data).evaluate("val")
