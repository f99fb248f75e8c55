"""One searched setting: what it draws, and what is refused."""

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler

from benchmarks.curves.config import Config
from search.dimensions import read_dimension, sort_dimensions
from trainables.settings import UsageError

optuna.logging.set_verbosity(optuna.logging.WARNING)


def draws(spec, name="x", count=200):
    dimension = read_dimension(Config, name, spec)
    study = optuna.create_study(sampler=RandomSampler(0))
    return [dimension.suggest(study.ask()) for _ in range(count)]


def test_uniform_covers_its_range_evenly():
    values = np.array(draws({"uniform": [0.2, 0.6]}))
    assert values.min() >= 0.2
    assert values.max() <= 0.6
    assert abs(np.median(values) - 0.4) < 0.05


@pytest.mark.parametrize("spec", [{"loguniform": [1e-4, 1.0]}, {"uniform": [1e-4, 1.0], "log": True}])
def test_a_logarithmic_range_is_even_in_the_exponent(spec):
    values = np.log10(draws(spec))
    assert values.min() >= -4
    assert values.max() <= 0
    assert abs(np.median(values) + 2) < 0.4


def test_a_quantised_range_draws_its_steps_alone():
    assert set(np.round(draws({"quniform": [0.0, 1.0, 0.25]}), 6)) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_whole_numbers_leave_out_the_upper_end():
    values = draws({"randint": [2, 5]}, "batch_size")
    assert set(values) == {2, 3, 4}
    assert all(type(value) is int for value in values)


def test_choices_are_drawn_as_given():
    assert set(draws({"choice": ["plain", "shifted"]}, "kind")) == {"plain", "shifted"}


@pytest.mark.parametrize(
    ("name", "spec", "inside", "outside"),
    [
        ("x", {"uniform": [0.2, 0.6]}, [0.2, 0.6], [0.1, 0.7, True, "0.3"]),
        ("x", {"quniform": [0.0, 1.0, 0.25]}, [0.25, 1.0], [0.3]),
        ("x", {"loguniform": [1e-3, 1.0]}, [1e-3], [1e-4]),
        ("batch_size", {"randint": [2, 5]}, [2, 4], [5, 1]),
        ("kind", {"choice": ["plain"]}, ["plain"], ["shifted"]),
    ],
)
def test_contains_what_could_be_drawn(name, spec, inside, outside):
    dimension = read_dimension(Config, name, spec)
    assert all(dimension.contains(value) for value in inside)
    assert not any(dimension.contains(value) for value in outside)


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("xx", {"uniform": [0, 1]}, ["params.xx", "did you mean 'params.x'?"]),
        ("epochs", {"randint": [1, 9]}, ["params.epochs", "budget.max_epochs"]),
        ("x", {"unifrom": [0, 1]}, ["params.x.unifrom", "did you mean 'params.x.uniform'?"]),
        ("x", {}, ["params.x", "uniform", "choice", "none"]),
        ("x", {"uniform": [0, 1], "loguniform": [0.1, 1]}, ["params.x", "uniform, loguniform"]),
        ("x", {"uniform": [0.5, 0.5]}, ["params.x.uniform=[0.5, 0.5] is empty", "0.5 is not below 0.5"]),
        ("x", {"uniform": [0.9, 0.1]}, ["is empty"]),
        ("batch_size", {"randint": [8, 8]}, ["is empty"]),
        ("x", {"loguniform": [0, 1]}, ["params.x.loguniform=[0, 1]", "above 0"]),
        ("x", {"uniform": [0, 1], "log": True}, ["params.x.uniform=[0, 1]", "above 0"]),
        ("x", {"uniform": 0.5}, ["params.x.uniform=0.5 is no list", "[0, 1]"]),
        ("x", {"uniform": [0, 1, 2]}, ["params.x.uniform=[0, 1, 2]", "[0, 1]"]),
        ("x", {"uniform": [False, True]}, ["params.x.uniform=[False, True]", "[0, 1]"]),
        ("x", {"uniform": ["a", "b"]}, ["params.x.uniform", "[0, 1]"]),
        ("x", {"quniform": [0, 1]}, ["params.x.quniform=[0, 1]", "step"]),
        ("x", {"quniform": [0, 1, 0]}, ["params.x.quniform=[0, 1, 0]", "step above 0"]),
        ("x", {"choice": []}, ["params.x.choice=[]", "[logistic, none]"]),
        ("x", {"uniform": [0, 2]}, ["params.x", "x=2", "0 to 1"]),
        ("x", {"uniform": [0, float("inf")]}, ["params.x.uniform=[0, inf]", "[0, 1]"]),
        ("kind", {"choice": ["plain", "shiftd"]}, ["params.kind", "shiftd", "did you mean 'shifted'?"]),
        ("batch_size", {"randint": [8.5, 16]}, ["params.batch_size.randint=[8.5, 16]", "whole numbers"]),
        ("batch_size", {"uniform": [8, 16]}, ["params.batch_size", "randint"]),
        ("x", {"uniform": [0, 1], "when": "kind"}, ["params.x.when=kind", "{weighting: gradnorm}"]),
        ("x", {"uniform": [0, 1], "when": {"x": 0.5}}, ["x", "circle", "when"]),
    ],
)
def test_what_cannot_be_searched_is_named_with_the_remedy(name, spec, words):
    with pytest.raises(UsageError) as refusal:
        read_dimension(Config, name, spec)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "spec",
    [
        {"quniform": [0, 1, 5]},
        {"choice": [0.1, 0.2], "log": True},
        {"uniform": [0.1, 1], "log": "no"},
        {"uniform": [0, 1], "when": {"kind": []}},
    ],
)
def test_a_setting_that_cannot_mean_what_it_says_is_refused(spec):
    with pytest.raises(UsageError):
        read_dimension(Config, "x", spec)


def conditional(name, **when):
    return read_dimension(Config, name, {"uniform": [0.1, 0.9], "when": when})


def test_parents_come_before_what_depends_on_them():
    x, y, lr = conditional("x", y=0.5), conditional("y", lr=0.5), conditional("lr")
    assert sort_dimensions([x, y, lr]) == (lr, y, x)
    assert sort_dimensions([lr, y]) == (lr, y)


def test_conditions_in_a_circle_are_refused_with_their_names():
    with pytest.raises(UsageError, match=r"the conditions of shift, x, y go in a circle; drop one `when`"):
        sort_dimensions([conditional("x", y=0.5), conditional("y", shift=0.5), conditional("shift", x=0.5)])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"loguniform": [1e-4, 0.5]}, "0.0001 to 0.5 log"),
        ({"quniform": [0, 1, 0.25]}, "0 to 1 by 0.25"),
        ({"uniform": [0, 1], "when": {"kind": ["plain", "shifted"]}}, "0 to 1, when kind is plain or shifted"),
    ],
)
def test_a_dimension_reads_as_a_person_would_say_it(spec, text):
    assert str(read_dimension(Config, "x", spec)) == text
