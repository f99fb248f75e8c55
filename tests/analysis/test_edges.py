"""Best trials at the end of what was searched."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.frames.experiment import Experiment
from analysis.page.slices import slices
from analysis.questions.answer import Answer
from analysis.questions.edges import found_edges
from search.overrides import merged_with
from search.space import Space
from tests.support.written import answer, curve, trial, written
from trainables.commands import parse_arguments


def pressed(tmp_path: Path, spec: dict[str, Any], values: list[Any], name: str = "lr") -> tuple[Experiment, Answer]:
    """A run and the answer on a space with this one setting, for trials with these values, the best first."""
    trials = [trial(curve(0.1), params={name: values[-1]})]
    trials += [trial(curve(0.9 - 0.05 * place), params={name: value}) for place, value in enumerate(values)]
    experiment = written(tmp_path, trials, params={name: spec})
    return experiment, answer(experiment, "Is the best at an edge")


@pytest.mark.parametrize(
    ("name", "spec", "values", "override", "reaches"),
    [
        ("lr", {"loguniform": [1e-4, 1e-2]}, [9.5e-3] * 5, "params.lr.loguniform=[0.0001,0.1]", 0.1),
        ("lr", {"loguniform": [1e-4, 1e-2]}, [1.05e-4] * 5, "params.lr.loguniform=[1e-05,0.01]", 1e-5),
        ("lr", {"uniform": [0.001, 0.003]}, [0.003] * 5, "params.lr.uniform=[0.001,0.004]", 0.004),
        ("lr", {"quniform": [0.1, 0.4, 0.1]}, [0.4] * 5, "params.lr.quniform=[0.1,0.6,0.1]", 0.6),
        ("batch_size", {"randint": [8, 12]}, [11] * 5, "params.batch_size.randint=[8,14]", 13),
        (
            "batch_size",
            {"randint": [8, 65], "log": True},
            [64] * 5,
            "params.batch_size.randint=[8,182] params.batch_size.log=true",
            181,
        ),
    ],
)
def test_a_setting_at_the_edge_comes_with_the_words_that_widen_it(tmp_path, name, spec, values, override, reaches):
    experiment, said = pressed(tmp_path, spec, values, name)
    assert said.verdict == "bad"
    words = shlex.split(said.sentence.partition("Search further: ")[2])
    assert words[-len(override.split()) :] == override.split()
    assert f"'{override.split()[0]}'" in said.sentence  # a shell would take the brackets for a pattern
    given = parse_arguments(override.split())
    wider = Space.of("wider", merged_with(experiment.space.source, given)).dimensions[0]
    assert wider.contains(reaches)
    assert not experiment.space.dimensions[0].contains(reaches)
    assert getattr(wider.distribution, "log", False) == getattr(
        experiment.space.dimensions[0].distribution, "log", False
    )


@pytest.mark.parametrize(
    ("spec", "values", "verdict"),
    [
        ({"loguniform": [1e-4, 1e-2]}, [9.9e-3, 1e-3, 1e-3, 1e-3, 1e-3], "good"),
        ({"loguniform": [1e-4, 1e-2]}, [9.9e-3, 6e-3, 6e-3, 1e-3, 1e-3], "careful"),
        ({"loguniform": [1e-4, 1e-2]}, [1e-3, 9.9e-3, 9.9e-3, 9.9e-3, 9.9e-3], "good"),
        ({"uniform": [1e-4, 1e-2]}, [6e-4, 6e-4, 6e-4, 6e-4, 6e-4], "good"),  # 0.05 of the range on this scale, more
        ({"choice": [1e-4, 1e-2]}, [1e-2] * 5, "good"),
    ],
)
def test_one_trial_at_the_edge_is_chance(tmp_path, spec, values, verdict):
    assert pressed(tmp_path, spec, values)[1].verdict == verdict


def test_a_bound_of_the_setting_itself_cannot_be_widened(tmp_path):
    _, said = pressed(tmp_path, {"uniform": [0.0, 1.0]}, [0.99] * 5, "x")
    assert said.verdict == "careful"
    assert "x cannot go further: that is the bound of the setting itself" in said.sentence
    assert "params.x" not in said.sentence
    _, said = pressed(tmp_path / "within", {"uniform": [0.5, 0.9]}, [0.9] * 5, "x")
    assert said.sentence.endswith("'params.x.uniform=[0.5,1]'")


def test_a_proved_winner_is_looked_at_before_the_searchs_best(tmp_path):
    values = [1e-3, 1e-3, 1e-3, 1e-3, 9.9e-3]  # the fifth best alone lies at the edge
    experiment, said = pressed(tmp_path, {"loguniform": [1e-4, 1e-2]}, values)
    assert "alone among them" not in said.sentence
    winner = experiment.ranked[4]
    row = {"trial": winner, "values": {"1000": 0.5}, "mean": 0.5}
    proof = {"sentence": "Proved.", "verdict": "better", "metric": "val/score", "mode": "max", "winner": winner}
    proof |= {"candidates": [row], "default": {**row, "trial": 0}}
    (edge,) = found_edges(replace(experiment, proof=proof))
    assert (edge.name, edge.end, edge.press) == ("lr", "high", "alone")
    assert found_edges(experiment) == []


def test_the_slices_say_what_the_question_says(tmp_path):
    for name, values in {"at": [9.9e-3] * 5, "alone": [9.9e-3, 1e-3, 1e-3, 1e-3, 1e-3]}.items():
        experiment, said = pressed(tmp_path / name, {"loguniform": [1e-4, 1e-2]}, values)
        grid = slices(experiment, 9)
        (plot,) = grid.plots
        assert (said.verdict == "good") == (grid.title == "How does each setting move the objective?")
        words = {"at": "at the upper end, as are most of the best", "alone": "at the upper end, alone among the best"}
        assert words[name] in plot.caption
