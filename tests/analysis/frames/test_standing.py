"""The vectorised selection of the reports that stand for trials, against its definition, over random runs."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from analysis.frames.experiment import load
from analysis.frames.standing import add_objective, add_stages_left, standing_reports
from search.board import Board
from search.record import RunFolder
from tests.support.simulated import board
from trainables.files import RESULT, trial_folder
from trainables.objective import Goal, Objective
from trainables.stages import Stage, stage_report

EPOCHS = 6
GOALS = {
    "one": [{"metric": "val/score"}],
    "least": [{"metric": "val/score", "mode": "min"}],
    "two": [{"metric": "val/score", "give_up": 0.2}, {"metric": "val/cost", "mode": "min"}],
}
PARTS = (
    (Stage("whole", EPOCHS),),
    (Stage("a", 2), Stage("b", EPOCHS)),
    (Stage("a", 3), Stage("b", EPOCHS, comparable=True)),
    (Stage("a", 2), Stage("b", 4), Stage("c", EPOCHS)),
)


def random_reports(rng, of, trials, missing, *, old=False):
    """Draw the reports of some trials, with ties, and with NaN where a share of the numbers is missing."""
    runs = []
    for _ in range(trials):
        parts = PARTS[rng.integers(len(PARTS))]
        reports = []
        for epoch in range(int(rng.integers(1, EPOCHS + 1))):
            numbers = rng.integers(0, 4, size=3) / 3
            a, b, c = (math.nan if rng.random() < missing else float(number) for number in numbers)
            report = {"epoch": epoch + 1, "val/score": a, "val/cost": b, "val/excess": c, "time/total_s": epoch + 1.0}
            stage = stage_report(parts, epoch)
            if old:
                stage = {key: value for key, value in stage.items() if key not in ("stage", "train/stages_left")}
            reports.append({**report, **stage, **of.score(report), "findings": [], "stop_reason": None})
        runs.append(reports)
    return runs


def objective(goals, constraints):
    return Objective(tuple(Goal(**goal) for goal in GOALS[goals]), constraints)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("constraints", [{}, {"val/excess": 0.4}, {"val/excess": 0.0, "val/cost": 0.5}], ids=len)
@pytest.mark.parametrize("goals", GOALS)
@pytest.mark.parametrize("seed", range(4))
def test_the_selected_reports_are_those_of_the_definition(seed, goals, constraints, missing):
    of = objective(goals, constraints)
    runs = random_reports(np.random.default_rng(seed), of, 60, missing)
    frame = pd.DataFrame([{"trial": trial, **report} for trial, reports in enumerate(runs) for report in reports])
    frame = add_stages_left(add_objective(frame, of), EPOCHS)
    selected = standing_reports(frame, of)["epoch"].to_dict()
    expected = {trial: of.standing_report(reports) for trial, reports in enumerate(runs)}
    assert selected == {trial: report["epoch"] for trial, report in expected.items() if report is not None}


ENDS = (("finished", "budget"), ("stopped", "scheduler"), ("stopped", "health"), ("failed", "error"), None)


def write_random_run(folder, seed, goals, *, old=False) -> Board:
    """Write a run of random reports and ends; returns the board that a new process reads from it."""
    rng = np.random.default_rng(seed)
    parts = {"constraints": {"val/excess": 0.6}, "budget": {"max_epochs": EPOCHS}, "scheduler": {"kind": "none"}}
    on = board(folder, objective=GOALS[goals], **parts)
    for reports in random_reports(rng, on.space.objective, 25, 0.0, old=old):
        number = on.begin({"x": float(rng.random()), "y": 0.5}, "random").number
        lines = "".join(json.dumps(report) + "\n" for report in reports)
        (trial_folder(folder, number) / RESULT).write_text(lines)
        end = ENDS[rng.integers(len(ENDS))]
        if end is not None:
            on.end(number, *end, f"{end[1]}: for the test")
    run = RunFolder.open(folder)
    return Board(run, run.space())


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("goals", GOALS)
@pytest.mark.parametrize("seed", range(4))
def test_search_and_analysis_have_the_same_ranking_front_choice_and_default(tmp_path, seed, goals, old):
    on = write_random_run(tmp_path / "run", seed, goals, old=old)
    experiment, comparison = load(tmp_path / "run"), on.compare()
    assert experiment.ranking == comparison.ranking
    assert experiment.excluded == comparison.excluded
    assert experiment.stage == comparison.stage
    assert experiment.best == on.best()
    assert experiment.default_note == on.default_note()
    if on.space.objective.is_multi:
        assert (experiment.front, experiment.choice) == (sorted(on.front()), on.choice())
    for number in experiment.ranking:
        report = on.standing_report(number)
        assert experiment.trials["best_epoch"][number] == report["epoch"]
        assert experiment.violations(number) == on.space.objective.describe_violations(report)
    assert load(tmp_path / "run").ranking == experiment.ranking  # from the cache


def test_some_of_the_random_runs_leave_trials_out(tmp_path):
    excluded = [write_random_run(tmp_path / str(seed), seed, "one").compare().excluded for seed in range(3)]
    assert all(excluded) and {"a"} <= {stage for stages in excluded for stage in stages.values()}
