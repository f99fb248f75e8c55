"""Configs that a space draws and that cannot work: refused where they are many, drawn anew where they are few."""

import warnings

import numpy as np
import optuna
import pytest

from search import run
from search.feasibility import MAX_IMPOSSIBLE_SHARE, check_samples, find_clashes
from search.searcher import propose
from search.space import SAMPLES, Space, list_spaces
from tests.support.simulated import add, board
from trainables.commands import parse_arguments
from trainables.settings import Notice, UsageError

MANY = {  # space → words under which more than a few per cent are impossible, and the settings that clash
    "mask_st": ("params.temperature_decay.uniform=[0.9,0.99]", {"temperature_decay", "floor_fraction"}),
    "noise_mask": ("params.kernel.randint=[1,20]", {"kernel"}),
    "unet_selftrain": ("params.tile.randint=[64,256]", {"tile"}),
    "seq_attention": ("params.image_size.randint=[64,256]", {"image_size"}),
    "entropy_reg": ("params.image_size.randint=[64,256]", {"image_size"}),
}
FEW = ("mask_st", ["params.temperature.loguniform=[0.4,2]"])


def load(name: str, *words: str) -> Space:
    return Space.load(name, parse_arguments(words))


@pytest.mark.parametrize("name", list_spaces())
def test_every_config_of_the_project_s_own_spaces_is_possible(name):
    words = ["fixed.init_from=export/x"] if name == "unet_thresholds" else []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_samples(load(name, *words))


@pytest.mark.parametrize("name", MANY)
def test_a_space_with_many_impossible_configs_is_refused_with_what_clashes(name):
    word, names = MANY[name]
    space = load(name, word)
    with pytest.raises(UsageError) as refusal:
        check_samples(space)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert f"of {SAMPLES} sampled configs" in sentence
    assert all(f"params.{setting}" in sentence for setting in names)
    clash = max(find_clashes(space), key=lambda clash: clash.count)
    assert set(clash.values) == names


@pytest.mark.parametrize("name", MANY)
def test_what_clashes_is_minimal_and_counted(name):
    space = load(name, MANY[name][0])
    for clash in find_clashes(space):
        assert space.refusal(clash.values) is not None
        for setting in clash.values:
            assert space.refusal({key: value for key, value in clash.values.items() if key != setting}) is None
    impossible = [params for params in space.samples if space.refusal(params) is not None]
    assert sum(clash.count for clash in find_clashes(space)) == len(impossible)


def test_a_dry_run_refuses_too_and_a_run_that_is_resumed_is_only_told(tmp_path):
    word = MANY["mask_st"][0]
    with pytest.raises(UsageError, match="400 of 400 sampled configs"):
        run.main(["space=mask_st", word, f"storage={tmp_path}", "dry_run=true"])
    with pytest.warns(Notice, match="400 of 400 sampled configs"):
        check_samples(load("mask_st", word), is_new=False)


def test_a_few_impossible_configs_are_a_notice():
    space = load(FEW[0], *FEW[1])
    share = sum(clash.count for clash in find_clashes(space)) / SAMPLES
    assert 0 < share <= MAX_IMPOSSIBLE_SHARE
    with pytest.warns(Notice, match=r"19 of 400 .* by params.temperature and params.temperature_min, .* drawn anew"):
        check_samples(space)


CLASHING = {  # temperature_min is above temperature in about a quarter of all draws
    "variant": "mask_st",
    "objective": {"metric": "val/auroc_macro"},
    "params": {
        "temperature": {"uniform": [0.2, 1.0]},
        "temperature_min": {"uniform": [0.1, 0.7]},
        "lr": {"loguniform": [1e-4, 1e-2]},
    },
    "budget": {"trials": 40, "max_epochs": 3, "grace_epochs": 1},
    "searcher": {"min_results": 4, "random_share": 0.0},
}


def test_proposals_are_possible_and_functions_of_board_seed_and_number(tmp_path):
    on = board(tmp_path / "run", **CLASHING)
    raw = on.space.samples[:100]
    assert sum(on.space.refusal(params) is not None for params in raw) > 10
    proposals = [propose(on, 3, number) for number in range(1, 60)]
    for index in range(12):
        add_result(on, proposals[index].params)
    models = [propose(on, 3, number) for number in range(60, 90)]
    assert {proposal.origin for proposal in proposals} == {"random"}
    assert {proposal.origin.split()[0] for proposal in models} == {"model"}
    for proposal in (*proposals, *models):
        assert on.space.refusal(proposal.params) is None
    assert models == [propose(on, 3, number) for number in range(60, 90)]


def add_result(on, params):
    """Add a trial that is the better the lower its temperature is, where many configs are impossible."""
    trial = on.begin(params, "random")
    for epoch in (1, 2, 3):
        value = 1 - params["temperature"]
        report = {"epoch": epoch, "val/auroc_macro": value, "objective/value": value}
        on.report(trial.number, {**report, "objective/violation": 0.0, "objective/feasible": 1.0})
    on.end(trial.number, "finished", "budget", "for the test")


def test_the_first_draw_stays_where_it_is_possible(tmp_path):
    """Trials of spaces without clashes are the same as before there was a second draw."""
    on = board(tmp_path / "run")
    add(on, {"x": 0.5, "y": 0.5})
    for number in range(1, 20):
        generator = np.random.default_rng([5, number])
        generator.random()
        sampler = optuna.samplers.RandomSampler(int(generator.integers(2**31)))
        study = optuna.create_study(sampler=sampler)
        assert propose(on, 5, number).params == on.space.sample(study.ask())


def test_a_space_in_which_nothing_is_possible_ends_its_draws(tmp_path):
    on = board(tmp_path / "run")
    on.space = load("mask_st", MANY["mask_st"][0])
    params = propose(on, 0, 1).params
    assert on.space.refusal(params) is not None
