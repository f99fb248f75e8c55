"""A space from YAML and the command line: overrides, conditions, what is refused."""

import optuna
import pytest
from optuna.samplers import RandomSampler

from search.budget import Budget
from search.space import Space, list_spaces, with_trials
from tests.support.simulated import YAML, source, space
from trainables.commands import parse_arguments
from trainables.settings import UsageError

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def load(tmp_path):
    """Load the YAML above with the words of a command line."""
    path = tmp_path / "small.yaml"
    path.write_text(YAML)
    return lambda *words: Space.load(str(path), parse_arguments(words))


def samples(of: Space, count=60):
    study = optuna.create_study(sampler=RandomSampler(0))
    return [of.sample(study.ask()) for _ in range(count)]


def dimension(of: Space, name):
    return next(each for each in of.dimensions if each.name == name)


def test_a_file_is_read_as_written(load):
    read = load()
    assert read.name == "small"
    assert [each.name for each in read.dimensions] == ["lr", "x", "kind", "shift"]
    assert dimension(read, "lr").distribution == optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True)
    assert read.fixed == {"epoch_s": 0, "epochs": 4}
    assert dict(read.objective.constraints) == {"val/cost": 0.5}
    assert Space.from_source("small", read.source) == read


# -- overrides ---------------------------------------------------------------------------------------------------


def test_a_plain_value_fixes_a_searched_setting(load):
    read = load("params.lr=3e-4")
    assert read.fixed["lr"] == 3e-4
    assert "lr" not in [each.name for each in read.dimensions]
    assert read.config({}).lr == 3e-4


def test_fixed_takes_a_setting_out_of_the_search(load):
    read = load("fixed.x=0.25")
    assert read.fixed["x"] == 0.25
    assert "x" not in [each.name for each in read.dimensions]


def test_a_new_distribution_replaces_the_old_one_but_keeps_when(load):
    changed = dimension(load("params.shift.quniform=[0,1,0.5]"), "shift")
    assert changed.distribution == optuna.distributions.FloatDistribution(0, 1, step=0.5)
    assert changed.when == {"kind": ("shifted",)}


def test_conditions_alone_can_be_changed(load):
    changed = dimension(load("params.x.when.kind=plain", "params.lr.when={kind: [plain, shifted]}"), "x")
    assert changed.when == {"kind": ("plain",)}
    assert changed.distribution == dimension(load(), "x").distribution


def test_a_setting_that_the_file_fixes_can_be_searched_instead(load):
    read = load("params.epoch_s.uniform=[0,1]")
    assert "epoch_s" not in read.fixed
    assert dimension(read, "epoch_s") is not None


def test_a_setting_is_not_fixed_and_searched_on_one_command_line(load):
    with pytest.raises(UsageError, match="x is both fixed and searched"):
        load("fixed.x=0.5", "params.x.uniform=[0,1]")


def test_a_setting_can_be_added_to_the_search(load):
    assert dimension(load("params.batch_size.randint=[8,65]", "params.batch_size.log=true"), "batch_size") is not None


@pytest.mark.parametrize("word", ["none", "null"])
def test_a_constraint_can_be_dropped(load, word):
    assert dict(load(f"constraints.val/cost={word}").objective.constraints) == {}


def test_every_part_can_be_overridden_without_losing_its_neighbours(load):
    read = load(
        "budget.trials=3",
        "objective.mode=min",
        "scheduler.kind=median",
        "searcher.min_results=4",
        "constraints.health/excess=0.1",
        "data.bad_images=skip",
    )
    assert (read.budget.trials, read.budget.max_epochs) == (3, 4)
    assert (read.objective.first.metric, read.objective.first.mode) == ("val/score", "min")
    assert (read.scheduler.kind, read.searcher.kind, read.searcher.min_results) == ("median", "rung", 4)
    assert dict(read.objective.constraints) == {"val/cost": 0.5, "health/excess": 0.1}
    assert read.data.bad_images == "skip"


def test_one_objective_on_the_command_line_replaces_several(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(
        "variant: benchmarks.curves\nobjective: [{metric: val/score}, {metric: val/cost, mode: min}]\n"
        "scheduler: {kind: none}\nparams: {x: {uniform: [0, 1]}}\n"
    )
    assert Space.load(str(path)).objective.is_multi
    one = Space.load(str(path), parse_arguments(["objective.metric=val/cost", "objective.mode=min"]))
    assert [(goal.metric, goal.mode) for goal in one.objective.goals] == [("val/cost", "min")]


def test_a_goal_says_what_may_be_given_up_of_it():
    goals = [{"metric": "val/score", "give_up": 0.02}, {"metric": "val/cost", "mode": "min", "give_up": 0}]
    read = space(objective=goals, scheduler={"kind": "none"})
    assert [goal.give_up for goal in read.objective.goals] == [0.02, 0.0]
    assert read.objective.has_tolerance
    assert Space.from_source("again", read.source).objective == read.objective


# -- conditions --------------------------------------------------------------------------------------------------


def test_a_setting_whose_condition_does_not_hold_is_absent(load):
    drawn = samples(load())
    assert {params["kind"] for params in drawn} == {"plain", "shifted"}
    for params in drawn:
        assert ("shift" in params) == (params["kind"] == "shifted")


@pytest.mark.parametrize(("kind", "there"), [("shifted", True), ("plain", False)])
def test_a_condition_may_be_on_a_setting_that_is_not_searched(load, kind, there):
    read = load(f"fixed.kind={kind}")
    assert all(("shift" in params) == there for params in samples(read, 5))
    assert read.applies(dimension(read, "shift")) == there


def test_a_condition_on_a_setting_that_is_neither_searched_nor_fixed_looks_at_its_default():
    params = {
        "x": {"uniform": [0, 1], "when": {"kind": "shifted"}},
        "y": {"uniform": [0, 1], "when": {"kind": "plain"}},
    }
    assert samples(space(params=params), 1)[0].keys() == {"y"}


def test_conditions_reach_through_generations_and_all_of_them_must_hold():
    params = {
        "shift": {"uniform": [0, 1], "when": {"goes_wrong": "raises", "kind": "shifted"}},
        "goes_wrong": {"choice": ["never", "raises"], "when": {"kind": ["shifted"]}},
        "kind": {"choice": ["plain", "shifted"]},
    }
    for drawn in samples(space(params=params)):
        assert ("goes_wrong" in drawn) == (drawn["kind"] == "shifted")
        assert ("shift" in drawn) == (drawn["kind"] == "shifted" and drawn["goes_wrong"] == "raises")


# -- configs -----------------------------------------------------------------------------------------------------


def test_a_config_has_the_budget_the_fixed_fields_and_the_params(load):
    config = load("fixed.y=0.5").config({"x": 0.25})
    assert (config.epochs, config.y, config.x, config.kind) == (4, 0.5, 0.25, "plain")


def test_the_default_has_the_config_s_own_values_for_what_applies(load):
    assert load().default_params() == {"lr": 1e-4, "x": 0.9, "kind": "plain"}
    assert load("fixed.kind=shifted").default_params() == {"lr": 1e-4, "x": 0.9, "shift": 0.0}


def test_a_default_outside_the_searched_range_is_named():
    narrow = space(params={"x": {"uniform": [0.0, 0.5]}, "y": {"uniform": [0.0, 0.5]}})
    assert narrow.outside(narrow.default_params()) == ["x"]


def test_an_extended_space_differs_in_its_trials_alone(load):
    longer = with_trials(load(), 30)
    assert longer.budget.trials == 30
    assert Space.from_source("small", longer.source) == longer
    assert with_trials(longer, 8) == load()


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "rungs"),
    [(3, 3, 9, (3, 9)), (1, 2, 9, (1, 2, 4, 8, 9)), (9, 3, 9, (9,)), (2, 4, 20, (2, 8, 20)), (1, 3, 9, (1, 3, 9))],
)
def test_rungs_grow_by_the_reduction_and_end_with_the_budget(grace, reduction, epochs, rungs):
    assert Budget(grace_epochs=grace, reduction=reduction, max_epochs=epochs).rungs == rungs


NEEDED = {"unet_thresholds": {"fixed": {"init_from": "export/supervised"}}}


@pytest.mark.parametrize("name", list_spaces())
def test_every_space_that_comes_with_the_project_makes_configs(name):
    read = Space.load(name, NEEDED.get(name))
    for params in [read.default_params(), *samples(read, 20)]:
        config = read.config(params)
        assert config.epochs == read.budget.max_epochs
    assert all(read.applies(each) for each in read.dimensions)


def test_a_space_that_begins_with_a_trained_model_asks_for_it():
    with pytest.raises(UsageError, match="init_from=EXPORT"):
        Space.load("unet_thresholds")


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"param": {}}, ["param", "did you mean 'params'?"]),
        ({"variant": "mask_stt"}, ["mask_stt", "mask_st"]),
        ({"objective": None}, ["objective.metric", "val/auroc_macro"]),
        ({"objective": {"metrik": "val/score"}}, ["objective.metric"]),
        ({"objective": {"metric": "val/score", "mod": "max"}}, ["objective.mod", "did you mean 'objective.mode'?"]),
        ({"objective": {"metric": "val/score", "mode": "up"}}, ["objective.mode=up", "max or min"]),
        ({"objective": {"metric": "val/score", "give_up": 0.02}}, ["give_up=0.02", "val/score", "goal below"]),
        *(
            ({"objective": [{"metric": "val/score", "give_up": share}, {"metric": "val/cost"}]}, ["give_up", "0.02"])
            for share in (-0.1, 1, 1.5, False, "2%", None, float("nan"))
        ),
        (
            {"objective": [{"metric": "val/score"}, {"metric": "val/cost", "give_up": 0.1}]},
            ["objective.give_up=0.1", "val/cost", "leave it out"],
        ),
        ({"objective": {"metric": "val/score", "give_upp": 0.1}}, ["did you mean 'objective.give_up'?"]),
        ({"constraints": {"val/cost": True}}, ["constraints.val/cost=true", "number"]),
        ({"constraints": {"val/cost": "low"}}, ["constraints.val/cost=low", "number"]),
        ({"budget": {"trails": 3}}, ["budget.trails", "did you mean 'budget.trials'?"]),
        ({"budget": {"trials": 0}}, ["trials=0", "at least 1"]),
        ({"budget": {"max_epochs": 2, "grace_epochs": 3}}, ["budget.grace_epochs=3", "max_epochs=2"]),
        ({"data": {"source": "nih"}}, ["data.source", "nih", "synthetic"]),
        ({"data": {"rot": "x"}}, ["data.rot", "did you mean 'data.root'?"]),
        ({"fixed": {"z": 1}}, ["'z'", "x"]),
        ({"fixed": {"lr": True}}, ["lr=true", "number"]),
        ({"fixed": {"y": 0.5, "x": 0.5}}, ["is both fixed and searched", "keep it under fixed or under params"]),
        ({"fixed": {"epochs": 5}}, ["fixed.epochs", "budget.max_epochs"]),
        ({"params": {"epochs": 5}}, ["epochs", "budget.max_epochs"]),
        ({"params": {"kind": "plian"}}, ["kind", "plian", "did you mean 'plain'?"]),
        ({"params": {"x": {"uniform": [0, 1], "when": {"knd": "plain"}}}}, ["knd", "params.x.when", "'kind'"]),
        ({"params": {"x": {"uniform": [0, 1], "when": {"kind": "plian"}}}}, ["kind", "plian", "'plain'"]),
        ({"scheduler": {"kind": "hyperband"}}, ["kind", "hyperband", "asha, median, none"]),
        ({"searcher": {"random_share": 1.5}}, ["random_share=1.5", "0 to 1"]),
        ({"objective": [{"metric": "val/score"}, {"metric": "val/cost"}]}, ["several", "scheduler.kind=none"]),
    ],
)
def test_what_cannot_be_a_space_is_named_with_the_remedy(parts, words):
    with pytest.raises(UsageError) as refusal:
        space(**parts)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_space_without_a_variant_is_told_which_there_are():
    with pytest.raises(UsageError, match=r"space curves names no variant; accepted: .*mask_st"):
        Space.from_source("curves", {key: value for key, value in source().items() if key != "variant"})


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("budgt.trials=3", ["budgt", "did you mean 'budget'?"]),
        ("budget=3", ["budget=3", "budget.NAME=VALUE"]),
        ("params=3", ["params=3", "params.NAME=VALUE"]),
    ],
)
def test_an_override_that_is_no_part_of_a_space_is_named(load, word, words):
    with pytest.raises(UsageError) as refusal:
        load(word)
    for each in words:
        assert each in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mask_stt", ["unknown space 'mask_stt'", "did you mean 'mask_st'?"]),
        ("qq", ["unknown space 'qq'", *list_spaces()]),
        ("no/such.yaml", ["no/such.yaml is no file", *list_spaces()]),
    ],
)
def test_an_unknown_space_is_named(name, words):
    with pytest.raises(UsageError) as refusal:
        Space.load(name)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "variant: ${nothing}\n"])
def test_a_file_that_is_no_space_is_named(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="odd"):
        Space.load(str(path))


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    path = tmp_path / "torn.yaml"
    path.write_text("variant: [benchmarks")
    with pytest.raises(UsageError, match=r"torn\.yaml is no YAML"):
        Space.load(str(path))


@pytest.mark.parametrize(
    "parts", [{"budget": 3}, {"constraints": 3}, {"fixed": ["x"]}, {"params": 3}, {"objective": []}, {"variant": ".x"}]
)
def test_a_part_of_the_wrong_shape_is_named(parts):
    with pytest.raises(UsageError, match=next(iter(parts))):
        space(**parts)
