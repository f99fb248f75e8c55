"""Machines of runs that are compared by their seconds: what differs, and how long the same training took."""

from dataclasses import replace

import pytest

from analysis.compare import main
from analysis.frames.experiment import load
from analysis.proof.machines import describe_machines
from tests.support.arms import search_arm


def with_machine(run, factor=1.0, **environment):
    """Give a run another machine, on which its trainings take a factor of the time."""
    trials = run.trials.assign(seconds=run.trials["seconds"] * factor)
    return replace(run, environment={**run.environment, **environment}, trials=trials)


@pytest.fixture
def pair(tmp_path):
    return [search_arm(tmp_path / name, seed=seed) for seed, name in enumerate(("first", "second"))]


def test_machines_that_are_alike_need_no_word(pair):
    assert describe_machines([pair[0], with_machine(pair[0], 1.1)]) == []


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"cpus": 96}, "cpus is"),
        ({"platform": "Plan 9"}, "Plan 9 (second)"),
        ({"devices": ["H200"]}, "['H200'] (second)"),
        ({"python": None}, "not known (second)"),
        ({"packages": {"torch": "9.9"}}, "torch 9.9"),
    ],
)
def test_what_differs_is_named_with_the_values_of_both(pair, environment, text):
    sentences = describe_machines([pair[0], with_machine(pair[1], **environment)])
    assert len([sentence for sentence in sentences if sentence.startswith("The machines were not alike")]) == 1
    assert text in sentences[0]


def test_the_same_default_trial_that_took_longer_gives_the_ratio(pair):
    (sentence,) = describe_machines([pair[0], with_machine(load(pair[0].path), 2.5)])
    assert "2.5 times as long: compare these runs with cost=epochs." in sentence


def test_other_default_settings_are_not_the_same_trial(tmp_path, pair):
    other = search_arm(tmp_path / "other", fixed={"noise": 0.3})
    assert not any("default trial" in text for text in describe_machines([pair[0], with_machine(other, 9.0)]))


def test_epochs_count_unless_told_otherwise_and_seconds_say_what_differed(pair, tmp_path, capsys):
    path = pair[1].path / "environment.json"
    path.write_text('{"cpus": 4096}')
    runs = f"runs=[{pair[0].path},{pair[1].path}]"
    main([runs, f"to={tmp_path}/page.html"])
    assert "not alike" not in capsys.readouterr().out
    assert "at equal cost in epochs" in (tmp_path / "page.html").read_text()
    main([runs, "cost=seconds", f"to={tmp_path}/page.html"])
    assert "The machines were not alike: cpus is" in capsys.readouterr().out
    assert "4096 (second)" in (tmp_path / "page.html").read_text()
