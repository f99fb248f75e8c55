"""The judgement of a proof: the winner, its gain, and the sentence about it."""

import json
from dataclasses import replace

import pytest

from analysis.frames.experiment import PROOF_FILE, PROOF_FOLDER, load
from analysis.page.proof import _goal_tables, proof_blocks
from analysis.proof.card import _tabulate_goals, sections
from analysis.proof.console import format_proof
from analysis.proof.judgement import judge
from analysis.proof.statistics import best_gain
from analysis.questions.playbook import answers
from analysis.questions.proof import judge_winner
from analysis.retrain import plan_trainings
from tests.support import proofs
from tests.support.proofs import SPACE, retrain, trainings
from tests.support.simulated import board, by_training
from tests.support.written import curve, write_run
from trainables.files import RESULT, append_line, trial_folder
from trainables.objective import Goal
from trainables.stages import Stage


def test_the_winner_has_the_best_mean_and_the_interval_that_statistics_give(run_to_prove):
    retrain(run_to_prove, "top=2", "seeds=3")
    proof, trials_of_proof = load(run_to_prove).proof, trainings(run_to_prove)
    values = {}
    for trial in trials_of_proof:
        number = 0 if trial.origin == "default" else int(trial.origin.split()[1])
        values.setdefault(number, {})[trial.seed] = max(report["val/score"] for report in trial.reports)
    candidates = [number for number in sorted(values) if number]
    winner, gain = best_gain([values[number] for number in candidates], values[0])
    assert proof["winner"] == candidates[winner]
    assert proof["gain"] == gain.as_dict()
    assert proof["default"]["values"] == {str(seed): value for seed, value in values[0].items()}
    best = next(item for item in proof["candidates"] if item["trial"] == proof["winner"])
    searched_value = load(run_to_prove).trials.loc[proof["winner"], "value"]
    assert best["optimism"] == pytest.approx(searched_value - best["mean"])


def test_the_verdict_better_comes_first(run_to_prove, capsys):
    assert retrain(run_to_prove, "top=2", "seeds=3") == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.strip().startswith("Better than the default: trial")
    assert "on one seed" in second


def test_an_interval_that_holds_both_is_not_decided_and_says_how_many_seeds_would_decide(tmp_path, monkeypatch, capsys):
    run = proofs.search(tmp_path / "runs" / "noise", monkeypatch, **{**SPACE, "fixed": {"noise": 50.0}})
    assert retrain(run, "top=2", "seeds=3", "smallest_gain=1") == 0
    proof, output = load(run).proof, capsys.readouterr().out
    assert output.strip().startswith("Not decided: trial")
    assert proof["verdict"] == "not decided"
    assert proof["gain"]["low"] < 0 < proof["gain"]["smallest"] < proof["gain"]["high"]
    more = proof["needed_seeds"] - 3
    assert f"about {more} more seeds ({proof['needed_seeds']} in all) would decide it" in output
    assert f"seeds={proof['needed_seeds']}     to decide" in output


def test_no_better_takes_an_interval_without_a_gain_of_interest(tmp_path, monkeypatch, capsys):
    run = proofs.search(tmp_path / "runs" / "noise", monkeypatch, **{**SPACE, "fixed": {"noise": 50.0}})
    assert retrain(run, "top=2", "seeds=3", "smallest_gain=1e6", "test=false") == 0
    assert capsys.readouterr().out.strip().startswith("No better than the default: trial")
    proof = load(run).proof
    assert (proof["verdict"], proof["needed_seeds"]) == ("no better", None)
    assert "A gain of 1e+06 or more is excluded." in proof["sentence"]
    retrain(run, "top=2", "seeds=3", "smallest_gain=0", "test=false")
    assert load(run).proof["verdict"] == "not decided"


def test_a_smaller_metric_wins_where_smaller_is_better(tmp_path, monkeypatch):
    parts = {**SPACE, "objective": {"metric": "val/cost", "mode": "min"}}
    run = proofs.search(tmp_path / "runs" / "min", monkeypatch, **parts)
    retrain(run, "top=2", "seeds=2", "test=false")
    proof = load(run).proof
    means = {item["trial"]: item["mean"] for item in proof["candidates"]}
    assert means[proof["winner"]] == min(means.values())
    assert proof["verdict"] == "better"  # the default's x is 0.9, which costs most
    assert proof["gain"]["value"] > 0


def test_a_candidate_that_fails_on_a_seed_or_violates_a_constraint_does_not_win(tmp_path):
    simulation = board(
        tmp_path / "run", constraints={"val/cost": 0.5}, **{**SPACE, "budget": {"trials": 9, "max_epochs": 3}}
    )
    steady, wasteful, shaky = {"x": 0.4, "y": 0.5}, {"x": 0.6, "y": 0.7}, {"x": 0.3, "y": 0.7}
    plan = [({"x": 0.5, "y": 0.1}, "default"), (steady, "trial 1"), (wasteful, "trial 2"), (shaky, "trial 3")]
    number = 0
    for seed in (7, 8):
        for params, origin in plan:
            simulation.begin(params, origin, seed)
            list(by_training(simulation, {"trial": number, "params": params, "seed": seed}))
            failed = origin == "trial 3" and seed == 8
            simulation.end(number, "failed" if failed else "finished", "error" if failed else "budget", "for the test")
            number += 1
    experiment = load(simulation.folder.path)
    plan_keys = {(origin, seed) for _, origin in plan for seed in (7, 8)}
    proof = judge(experiment, experiment, Goal("val/score"), plan_keys)
    candidates = {item.trial: item for item in proof.candidates}
    assert proof.winner == 1
    assert not candidates[2].feasible
    assert candidates[3].failed == (8,)
    assert list(candidates[3].values) == [7]


def test_a_proof_that_one_seed_cannot_give_is_not_claimed(run_to_prove, capsys):
    retrain(run_to_prove, "top=1", "seeds=1", "test=false")
    output = capsys.readouterr().out
    assert "Not proved" in output and " over 1 seed, the default " in output
    assert load(run_to_prove).proof["gain"]["low"] is None


def without_a_result(folder, origin, ends):
    """Prove a run over seeds 7 and 8 in which one origin fails on all of them, with these reasons."""
    simulation = board(folder, **SPACE)
    values = {}
    for index, (seed, reason) in enumerate(zip((7, 8), ends, strict=True)):
        for offset, name in enumerate(["default", "trial 1"]):
            number, params = 2 * index + offset, {"x": 0.4, "y": 0.5}
            simulation.begin(params, name, seed)
            list(by_training(simulation, {"trial": number, "params": params, "seed": seed}))
            failed = name == origin
            cause = ("failed", "error", reason) if failed else ("finished", "budget", "budget")
            simulation.end(number, *cause)
            values.setdefault(name, []).append(number)
    experiment = load(folder)
    plan = {(name, seed) for name in ("default", "trial 1") for seed in (7, 8)}
    other = next(name for name in values if name != origin)
    return judge(experiment, experiment, Goal("val/score"), plan), experiment.trials.loc[values[other], "val/score"]


@pytest.mark.parametrize(
    ("origin", "failure", "other"), [("default", "the default", "trial 1"), ("trial 1", "trial 1", "the default")]
)
def test_where_default_or_candidates_failed_on_all_seeds_the_reason_is_named_and_what_the_others_reach(
    tmp_path, origin, failure, other
):
    proof, values = without_a_result(tmp_path / "run", origin, ["no memory was left", "it diverged"])
    assert (proof.winner, proof.verdict) == (None, "not known")
    assert proof.sentence == (
        f"Not proved: {failure} has no result: it failed on all 2 seeds (seed 7: no memory was left); "
        f"{other} reaches val/score {values.mean():.4g} over 2 seeds."
    )
    plain = json.loads(json.dumps(proof.as_dict(), allow_nan=False))
    verdict, answer = judge_winner(plain, tmp_path)
    assert verdict == "unknown"
    assert answer.startswith(proof.sentence) and answer.endswith(" retry=true") and "several seeds" not in answer


def test_a_default_that_ended_before_its_last_stage_is_named_with_stage_and_reason(tmp_path):
    parts = (Stage("supervised", 3), Stage("selftrain", 9))
    reason = "patience: no better val/score for 2 epochs"
    early = {"values": curve(0.9, 3), "parts": parts, "cause": "patience", "reason": reason}
    late = {"values": curve(0.6), "parts": parts, "origin": "trial 1"}
    run = write_run(tmp_path / "run", [early, late])
    run = replace(run, trials=run.trials.assign(seed=7))
    proof = judge(run, run, None, {("default", 7), ("trial 1", 7)})
    ending = "the default has no result: it failed on 1 seed (seed 7: ended in stage supervised, before the last"
    assert ending in proof.sentence
    assert reason in proof.sentence and "trial 1 reaches val/score 0.6" in proof.sentence
    lines = format_proof(proof, run)
    assert any("the default" in line and "no result   failed on" in line for line in lines[1:])
    assert "nan" not in "".join(lines)


def test_the_value_in_the_search_is_called_optimistic_only_for_the_same_number_of_epochs(run_to_prove, capsys):
    retrain(run_to_prove, "top=1", "seeds=2", "epochs=4", "test=false")
    assert "within 3 epochs, not 4: they cannot be compared" in capsys.readouterr().out
    assert load(run_to_prove).proof["candidates"][0]["optimism"] is None


def test_a_search_value_as_good_as_the_mean_is_not_called_worse_by_a_last_digit(tmp_path):
    values = [(0.8, 0.5), (0.81, 0.5), (0.79, 0.5)]  # their mean in floating point is not 0.8
    proof = simulate_proof(tmp_path / "run", {"trial 1": values, "default": values}, objective={"metric": "val/score"})
    best = replace(proof.best, search_value=0.8, search_epochs=1)
    assert best.mean != 0.8 and best.optimism(proof.goal, 1) == 0
    sentence = replace(proof, candidates=(best,)).optimism
    assert sentence == "In the search trial 1 reached 0.8, on one seed: as good as the mean over fresh seeds."


def simulate_proof(folder, results, *, objective, seeds=(7, 8, 9), constraints=None):
    """Write a run that is its own proof: by origin, the score and cost of each seed; returns its judgement."""
    simulation = board(
        folder,
        objective=objective,
        constraints=constraints or {},
        scheduler={"kind": "none"},
        **{key: value for key, value in SPACE.items() if key != "budget"},
        budget={"trials": 9, "max_epochs": 1, "grace_epochs": 1},
    )
    number = 0
    for index, seed in enumerate(seeds):
        for origin, rows in results.items():
            simulation.begin({"x": 0.5, "y": 0.5}, origin, seed)
            score, cost = rows[index]
            report = {"epoch": 1, "val/score": score, "val/cost": cost, "time/total_s": 1.0, "findings": []}
            report |= simulation.space.objective.score(report)
            append_line(trial_folder(folder, number) / RESULT, report)
            simulation.end(number, "finished", "budget", "for the test")
            number += 1
    experiment = load(folder)
    return judge(experiment, experiment, None, {(origin, seed) for origin in results for seed in seeds})


GOALS = [{"metric": "val/score", "give_up": 0.05}, {"metric": "val/cost", "mode": "min"}]
DEFAULT = [(0.80, 0.50), (0.81, 0.51), (0.79, 0.49)]
CHEAP = [(0.79, 0.20), (0.80, 0.21), (0.78, 0.19)]


def test_with_several_goals_the_rule_of_the_space_decides_and_every_goal_has_its_interval(tmp_path):
    strong = [(0.82, 0.52), (0.83, 0.53), (0.81, 0.51)]
    proof = simulate_proof(tmp_path / "run", {"default": DEFAULT, "trial 1": strong, "trial 2": CHEAP}, objective=GOALS)
    assert proof.winner == 2  # within 5% of the best score it costs least; by the first goal alone it would be 1
    assert proof.verdict == "better"
    by_metric = {entry["metric"]: entry for entry in proof.as_dict()["goals"]}
    assert proof.as_dict()["decided_by"] == "val/cost"
    assert by_metric["val/score"]["gain"]["high"] < 0  # a clear loss, but within what may be given up
    assert by_metric["val/score"]["gain"]["low"] > -by_metric["val/score"]["tolerance"]
    assert by_metric["val/cost"]["gain"]["low"] > 0
    assert "val/cost 0.2 against 0.5" in proof.sentence and "which decides" in proof.sentence
    assert "(a loss of 0.04 is accepted)" in proof.sentence
    card = "\n".join(_tabulate_goals(proof.as_dict()))
    assert card.count("| val/") == 2 and "may lose 0.04" in card
    (table,) = _goal_tables(proof.as_dict())
    assert [row[0] for row in table.rows] == ["val/score", "val/cost"]


def test_a_loss_that_may_exceed_the_tolerance_is_not_better_however_large_the_other_gain(tmp_path):
    shaky = [(0.70, 0.20), (0.84, 0.21), (0.78, 0.19)]
    proof = simulate_proof(tmp_path / "run", {"default": DEFAULT, "trial 2": shaky}, objective=GOALS)
    assert proof.gain.low < -0.04 < proof.gain.high
    assert proof.verdict == "not decided"
    assert proof.needed_seeds > 3
    tight = [{**GOALS[0], "give_up": 0.001}, GOALS[1]]
    proof = simulate_proof(tmp_path / "tight", {"default": DEFAULT, "trial 2": CHEAP}, objective=tight)
    assert (proof.verdict, proof.as_dict()["decided_by"]) == ("worse", "val/score")


def test_a_winner_that_violates_a_constraint_is_not_better_and_figure_and_bound_are_said(tmp_path):
    results = {"default": DEFAULT, "trial 1": [(0.9, 0.72), (0.91, 0.72), (0.89, 0.72)]}
    proof = simulate_proof(tmp_path / "run", results, objective={"metric": "val/score"}, constraints={"val/cost": 0.6})
    assert proof.gain.low > 0
    assert proof.verdict == "not decided"
    assert proof.needed_seeds is None
    assert "at the price of a constraint that the default keeps" in proof.sentence
    assert proof.sentence.endswith(" Trial 1 violates a constraint on average: val/cost 0.72 > 0.6.")
    assert proof.as_dict()["candidates"][0]["violations"] == ["val/cost 0.72 > 0.6"]


def test_a_proof_from_before_margins_is_read_and_what_it_called_no_better_is_not_decided(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    path = run_to_prove / PROOF_FOLDER / PROOF_FILE
    proof = json.loads(path.read_text())
    old = {key: proof[key] for key in proof if key not in ("goals", "rule", "decided_by", "needed_seeds")}
    for row in (*old["candidates"], old["default"]):
        del row["goals"], row["violations"]
    gain = {"value": 0.02, "low": -0.18, "high": 0.23, "confidence": 0.95}
    old |= {"gain": gain, "verdict": "no better", "sentence": "No better than the default: trial 4 reaches 1."}
    path.write_text(json.dumps(old))
    experiment = load(run_to_prove)
    assert experiment.proof["verdict"] == "not decided"
    assert experiment.proof["sentence"] == "Not decided: trial 4 reaches 1."
    assert answers(experiment)[0].verdict == "unknown"
    assert proof_blocks(experiment.proof, has_constraints=False)
    assert sections(experiment, experiment.proof, old["winner"])


def test_another_goal_chooses_and_judges(tmp_path, monkeypatch):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    parts = {**SPACE, "objective": goals, "scheduler": {"kind": "none"}}
    run = proofs.search(tmp_path / "runs" / "two", monkeypatch, **parts)
    experiment = load(run)
    cheap = experiment.trials["val/cost"].drop(0).nsmallest(2).index
    plan = plan_trainings(experiment, 2, 1, Goal("val/cost", "min"))
    assert {item.origin for item in plan} == {"default", *(f"trial {trial}" for trial in cheap)}
    retrain(run, "top=2", "seeds=2", "goal=val/cost", "test=false")
    assert load(run).proof["winner"] == cheap[0]
