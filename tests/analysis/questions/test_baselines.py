"""Is it better than a trivial method? Answered from written rows."""

import pytest

from analysis.frames.experiment import load
from analysis.questions.baselines import BETTER_THAN_TRIVIAL
from analysis.questions.playbook import answers
from tests.support.written import answer, curve, trial, write_run
from trainables.baselines import Baselines
from trainables.files import BASELINES

QUESTION = BETTER_THAN_TRIVIAL[:10]


REST = (0.6, 0.58, 0.55, 0.52)  # levels of other trials, as some questions are not answered from fewer than five


def run(folder, row, levels=(0.5, 0.7, *REST), chance=0.1, **space):
    experiment = write_run(folder, [trial(curve(level, seed=index)) for index, level in enumerate(levels)], **space)
    Baselines({"chance": {"val/score": chance}, "blobs": {"val/score": row}}).write(experiment.path)
    return load(experiment.path)


@pytest.mark.parametrize(
    ("row", "verdict", "words"),
    [
        (0.2, "good", "#1 is better than blobs by 0."),
        (0.6, "careful", "The default settings are not better than blobs."),
        (0.7025, "careful", "Hardly: #1 is better than blobs by"),
        (0.9, "bad", "No: #1 is not better than blobs (val/score: chance 0.1 · blobs 0.9, #1 0.7"),
    ],
)
def test_the_verdict_goes_by_the_strongest_row(tmp_path, row, verdict, words):
    result = answer(run(tmp_path, row), QUESTION)
    assert result.verdict == verdict
    assert words in result.sentence


def test_a_smaller_metric_may_be_the_better_one(tmp_path):
    experiment = run(
        tmp_path, 0.6, levels=(0.3, 0.2, *REST), chance=0.9, objective={"metric": "val/score", "mode": "min"}
    )
    assert answer(experiment, QUESTION).verdict == "good"
    assert "#1 is better than blobs" in answer(experiment, QUESTION).sentence


def test_with_several_goals_a_row_counts_only_where_it_is_as_good_in_all_of_its_own(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    trials = [trial(curve(0.5), cost=0.25), trial(curve(0.7), cost=0.2)]
    trials += [trial(curve(level), cost=0.28) for level in REST]
    experiment = write_run(tmp_path, trials, objective=goals, scheduler={"kind": "none"})
    for cost, verdict in ((0.3, "good"), (0.1, "bad")):
        Baselines({"chance": {"val/score": 0.9, "val/cost": cost}}).write(experiment.path)
        assert answer(load(experiment.path), QUESTION).verdict == verdict


def test_a_failed_computation_and_a_damaged_file_are_named(tmp_path):
    experiment = run(tmp_path, 0.2)
    Baselines(problem="RuntimeError: no such micrograph").write(experiment.path)
    result = answer(experiment, QUESTION)
    assert (result.verdict, "no such micrograph" in result.sentence) == ("unknown", True)
    (experiment.path / BASELINES).write_text("{")
    result = answer(experiment, QUESTION)
    assert (result.verdict, BASELINES in result.sentence) == ("unknown", True)


def test_rows_without_a_metric_of_the_objective_say_so(tmp_path):
    experiment = run(tmp_path, 0.2)
    Baselines({"chance": {"val/other": 0.1}}).write(experiment.path)
    assert "no row has a metric of the objective" in answer(experiment, QUESTION).sentence


def test_an_older_run_is_not_asked(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.5))])
    assert BETTER_THAN_TRIVIAL not in [item.question for item in answers(experiment)]
