"""Best trials at the end of what was searched."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.frames.experiment import Experiment
from analysis.page.slices import draw_slices
from analysis.questions.answer import Answer
from analysis.questions.edges import find_edges
from search.overrides import merge_overrides
from search.space import Space
from tests.support.written import answer, curve, trial, write_run
from trainables.commands import parse_arguments


def answer_at_edge(
    tmp_path: Path, spec: dict[str, Any], values: list[Any], name: str = "lr"
) -> tuple[Experiment, Answer]:
    """Return a run with one setting, its trials with these values, the best first, and the answer on its edges."""
    trials = [trial(curve(0.1), params={name: values[-1]})]
    trials += [trial(curve(0.9 - 0.05 * index), params={name: value}) for index, value in enumerate(values)]
    experiment = write_run(tmp_path, trials, params={name: spec})
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
def test_a_setting_at_the_edge_comes_with_the_override_that_widens_it(tmp_path, name, spec, values, override, reaches):
    experiment, reply = answer_at_edge(tmp_path, spec, values, name)
    assert reply.verdict == "bad"
    words = shlex.split(reply.sentence.partition("Search further: ")[2])
    assert words[-len(override.split()) :] == override.split()
    assert f"'{override.split()[0]}'" in reply.sentence  # a shell would take the brackets for a pattern
    overrides = parse_arguments(override.split())
    wider = Space.from_source("wider", merge_overrides(experiment.space.source, overrides)).dimensions[0]
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
    assert answer_at_edge(tmp_path, spec, values)[1].verdict == verdict


def test_a_best_trial_alone_at_the_edge_is_named_beside_the_answer(tmp_path):
    sentence = "The best 5 trials do not lie together at an end of any range"
    spec = {"loguniform": [1e-4, 1e-2]}
    _, reply = answer_at_edge(tmp_path / "alone", spec, [9.9e-3, 1e-3, 1e-3, 1e-3, 1e-3])
    assert reply.sentence == f"{sentence}; #1 itself does: lr 0.0099 (searched 0.0001 to 0.01)."
    assert answer_at_edge(tmp_path / "none", spec, [1e-3] * 5)[1].sentence == f"{sentence}."


def test_a_bound_of_the_setting_itself_cannot_be_widened(tmp_path):
    _, reply = answer_at_edge(tmp_path, {"uniform": [0.0, 1.0]}, [0.99] * 5, "x")
    assert reply.verdict == "careful"
    assert "x cannot go further: that is the bound of the setting itself" in reply.sentence
    assert "params.x" not in reply.sentence
    ranges = {"x": {"uniform": [0.0, 1.0]}, "y": {"uniform": [0.0, 1.0]}}
    trials = [trial(curve(0.5 + 0.01 * number), params={"x": 0.99, "y": 0.99}) for number in range(6)]
    both = answer(write_run(tmp_path / "both", trials, params=ranges), "Is the best at an edge")
    assert "x and y cannot go further: those are the settings' own bounds." in both.sentence
    _, reply = answer_at_edge(tmp_path / "within", {"uniform": [0.5, 0.9]}, [0.9] * 5, "x")
    assert reply.sentence.endswith("'params.x.uniform=[0.5,1]'")


def test_the_winner_of_a_proof_comes_before_the_searchs_best(tmp_path):
    values = [1e-3, 1e-3, 1e-3, 1e-3, 9.9e-3]  # the fifth best alone lies at the edge
    experiment, reply = answer_at_edge(tmp_path, {"loguniform": [1e-4, 1e-2]}, values)
    assert "itself does" not in reply.sentence
    winner = experiment.ranking[4]
    row = {"trial": winner, "values": {"1000": 0.5}, "mean": 0.5}
    proof = {"sentence": "Proved.", "verdict": "better", "metric": "val/score", "mode": "max", "winner": winner}
    proof |= {"candidates": [row], "default": {**row, "trial": 0}}
    (edge,) = find_edges(replace(experiment, proof=proof))
    assert (edge.name, edge.end, edge.press) == ("lr", "high", "alone")
    assert find_edges(experiment) == []


def test_the_slices_say_what_the_question_says(tmp_path):
    for name, values in {"at": [9.9e-3] * 5, "alone": [9.9e-3, 1e-3, 1e-3, 1e-3, 1e-3]}.items():
        experiment, reply = answer_at_edge(tmp_path / name, {"loguniform": [1e-4, 1e-2]}, values)
        grid = draw_slices(experiment, 9)
        (plot,) = grid.plots
        assert (reply.verdict == "good") == (grid.title == "How does each setting move the objective?")
        words = {
            "at": "at the upper end, as are most of the best",
            "alone": "at the upper end, where most of the best are not",
        }
        assert words[name] in plot.caption
