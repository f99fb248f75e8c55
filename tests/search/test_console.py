"""What a person sees: the plan, the line, the card."""

import subprocess
import time
from pathlib import Path

import pytest

from analysis.frames.experiment import load
from analysis.page.tables import follow_up_commands
from search.console import card, describe_interruption, plan, tensorboard_command
from search.placement import Placement
from search.request import Request, Run
from search.status import StatusLine
from tests.support.packages import forget, write_variant
from tests.support.simulated import add, board, search, source, space
from trainables.files import RESULT, append_line, trial_folder
from trainables.settings import UsageError

NEAR, FAR = {"x": 0.3, "y": 0.7}, {"x": 0.9, "y": 0.1}
SHORT = {"budget": {"trials": 4, "max_epochs": 2, "grace_epochs": 1}}
PLACEMENT = Placement(1.0, 0.25, 2)


def asked(folder, dry_run=False, **parts):
    return Request(Run(name="mine", dry_run=dry_run), space(**parts), folder)


def line(on, **run):
    return StatusLine(on, Run(**run), time.monotonic())


def trained(on, params, **end):
    """Add a trial with its reports on disk too, as the card reads them."""
    trial = add(on, params, epochs=2, **(end or {"ended": "finished", "cause": "budget"}))
    for report in trial.reports:
        made = {**report, "time/total_s": 60.0 * report["epoch"], "findings": []}
        append_line(trial_folder(on.folder.path, trial.number) / RESULT, made)
    return trial


# -- before ------------------------------------------------------------------------------------------------------


def test_the_plan_says_what_will_be_run_and_how_to_watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = plan(asked(tmp_path / "runs" / "mine", constraints={"val/cost": 0.5}), PLACEMENT)
    assert "maximise val/score, keeping val/cost ≤ 0.5" in text
    assert "12 trials × ≤ 9 epochs, compared at 3 and 9 · 2 at a time, 1 CPU and 0.25 GPU each" in text
    assert "watch:  tensorboard --logdir runs/mine" in text
    assert "lies outside" not in text


def test_the_plan_says_that_the_default_lies_outside(tmp_path):
    text = plan(asked(tmp_path, params={"x": {"uniform": [0, 0.5]}, "y": {"uniform": [0, 1]}}), PLACEMENT)
    assert "the default x lies outside of the space" in text


def test_a_dry_run_lists_dimensions_fixed_fields_the_bound_and_examples(tmp_path):
    parts = source(params={"x": {"uniform": [0, 0.5]}, "kind": {"choice": ["plain", "shifted"]}}, fixed={"y": 0.25})
    text = plan(asked(tmp_path, dry_run=True, **parts), PLACEMENT)
    for words in ("0 to 0.5", "plain | shifted", "y=0.25", "epochs=9", "at most 108 epochs in all"):
        assert words in text
    examples = text[text.index("for example:") :].splitlines()[1:]
    assert len(examples) == 4
    assert "x 0.9   kind plain   (the default settings, trial 0)" in examples[0]


def test_the_tensorboard_line_names_the_folder_as_one_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tensorboard_command(tmp_path / "runs" / "mine") == "tensorboard --logdir runs/mine"
    assert tensorboard_command(Path("/elsewhere/mine")) == "tensorboard --logdir /elsewhere/mine"


# -- during ------------------------------------------------------------------------------------------------------


def test_the_line_counts_trials_and_compares_the_best_with_the_default(tmp_path):
    on = board(tmp_path / "run", **SHORT)
    status = line(on)
    assert status.text().startswith("0/4 trials · 0:0")
    add(on, FAR, epochs=2, ended="finished", cause="budget")
    add(on, NEAR, epochs=2, ended="stopped", cause="scheduler")
    on.end(add(on, NEAR).number, "failed", "error", "loss became nan")
    add(on, FAR)
    text = status.text()
    assert "3/4 trials · 1 stopped early · 1 failed (loss became nan) · best 0.6667 (#1) against default 0.2167" in text
    assert "left" in text


def test_the_time_left_is_never_more_than_the_time_budget(tmp_path):
    on = board(tmp_path / "run", **SHORT)
    began = time.monotonic() - 90
    limited, free = StatusLine(on, Run(time_budget_s=100.0), began), StatusLine(on, Run(), began)
    add(on, FAR, epochs=2, ended="finished", cause="budget")
    assert "about 0:" in limited.text()
    assert "about 4:" in free.text()  # three more trials like the first


def test_a_log_gets_a_line_a_minute_and_quiet_none(tmp_path, capsys):
    on = board(tmp_path / "run", **SHORT)
    status, quiet = line(on), line(on, quiet=True)
    for _ in range(5):
        status.tick()
        quiet.tick()
    assert capsys.readouterr().out.count("\n") == 1
    quiet.close()
    assert capsys.readouterr().out == ""


def test_an_interrupted_run_is_told_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    on = board(tmp_path / "run", **SHORT)
    add(on, FAR, epochs=2, ended="finished", cause="budget")
    assert "interrupted after 1 of 4 trials" in describe_interruption(on, out_of_time=False)
    assert "the time budget is used up" in describe_interruption(on, out_of_time=True)
    assert "python -m search.run resume=run" in describe_interruption(on, out_of_time=False)


# -- after -------------------------------------------------------------------------------------------------------


def test_the_card_compares_the_best_with_the_default_and_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    on = board(tmp_path / "run", **SHORT, constraints={"val/cost": 0.5})
    trained(on, FAR)
    trained(on, {"x": 0.3, "y": 0.1})
    text = card(on, on.folder)
    assert "best trial #1   val/score 0.5767 at epoch 2        default val/score 0.2167" in text
    assert "x 0.9 → 0.3" in text
    assert "y 0.1" not in text  # as the default
    assert "val/cost 0.3 (kept: ≤ 0.5)" in text
    assert "cost 2:00 to that epoch · weights run/trial_0001/best.safetensors" in text
    for command in (
        "analysis.report   run=run",
        "analysis.retrain  run=run",
        "analysis.export   run=run to=export/run",
    ):
        assert command in text
    assert "failed" not in text


def test_the_card_says_how_to_run_again_what_the_environment_failed(tmp_path):
    on = board(tmp_path / "mine", **SHORT)
    trained(on, FAR)
    on.end(add(on, NEAR).number, "failed", "environment", "OSError: full", "ENOSPC")
    text = card(on, on.folder)
    command = f"python -m search.run resume={tmp_path}/mine retry=true"
    assert f"failures.csv; the environment failed 1: {command} runs them again" in text


def test_the_card_says_that_a_constraint_is_violated_and_that_trials_failed(tmp_path):
    on = board(tmp_path / "run", **SHORT, constraints={"val/cost": 0.5})
    trained(on, FAR)
    on.end(add(on, NEAR).number, "failed", "error", "loss became nan")
    text = card(on, on.folder)
    assert "the default settings" in text
    assert "health: violates val/cost 0.9 > 0.5" in text
    assert "1 of 2 failed, see" in text


def test_the_card_of_a_run_without_results_gives_the_reasons(tmp_path):
    on = board(tmp_path / "run", **SHORT)
    on.end(add(on, NEAR).number, "failed", "error", "loss became nan")
    assert "no trial has a result" in card(on, on.folder)
    assert "#0: loss became nan" in card(on, on.folder)


def pasted(command):
    """Split a command into words as a shell does."""
    shell = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True, env={"HOME": "/home/me"}
    )
    return shell.stdout.splitlines()


@pytest.mark.parametrize("name", ["my run", "it's", 'a "b"', "$HOME", "a;b&c"])
def test_the_commands_can_be_pasted_whatever_the_folder_is_called(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    on = board(tmp_path / name, **SHORT)
    trained(on, FAR)
    text = card(on, on.folder)
    commands = [
        pasted(row[row.index("python") :].partition("     ")[0]) for row in text.splitlines() if "python" in row
    ]
    assert [words[3] for words in commands] == [f"run={name}"] * 3
    assert commands[1][4:] == ["top=3", "seeds=5"]
    assert commands[2][4:] == [f"to=export/{name}"]
    resume = describe_interruption(on, out_of_time=False).partition("resume:")[2]
    assert pasted(resume) == ["python", "-m", "search.run", f"resume={name}"]
    assert pasted(tensorboard_command(tmp_path / name)) == ["tensorboard", "--logdir", name]


GOALS = [{"metric": "val/score", "mode": "max"}, {"metric": "val/cost", "mode": "min"}]


GIVING = [{**GOALS[0], "give_up": 0.1}, GOALS[1]]
FOUR = (FAR, NEAR, {"x": 0.1, "y": 0.7}, {"x": 0.2, "y": 0.1})


def named(text):
    """List the titles that the card gives to trials, in its order."""
    rows = [row.split() for row in text.splitlines() if " trial #" in row]
    return [(row[0], row[2]) for row in rows]


def test_the_plan_says_how_one_is_chosen_of_several_objectives_only_if_something_is_given_up(tmp_path):
    several = {"scheduler": {"kind": "none"}}
    text = plan(asked(tmp_path, objective=GIVING, **several), PLACEMENT)
    assert "chosen in the end: of those within 10% of the best val/score, the one with the least val/cost\n" in text
    assert "chosen" not in plan(asked(tmp_path, objective=GOALS, **several), PLACEMENT)


@pytest.mark.parametrize(
    ("goals", "order", "rule"),
    [
        (GOALS, [("chosen", "#1"), ("front", "#2")], "#1, the one with the largest val/score"),
        (GIVING, [("chosen", "#2"), ("front", "#1")], "#2, of those within 10% of the best val/score, the one with"),
    ],
)
def test_the_card_of_several_objectives_shows_the_front_and_which_is_chosen_by_which_rule(tmp_path, goals, order, rule):
    on = board(tmp_path / "run", **SHORT, objective=goals, scheduler={"kind": "none"})
    for params in FOUR:
        trained(on, params)
    text = card(on, on.folder)
    assert named(text) == order
    assert text.startswith(f"  chosen of 2 on the front: {rule}")
    assert "default val/score 0.2167   val/cost 0.9" in text


def test_a_front_that_keeps_no_constraint_has_none_that_is_chosen(tmp_path):
    several = {"objective": GIVING, "scheduler": {"kind": "none"}}
    on = board(tmp_path / "run", **SHORT, **several, constraints={"val/cost": 0.05})
    for params in FOUR:
        trained(on, params)
    assert on.choice() is None
    assert named(card(on, on.folder)) == [("front", "#2"), ("front", "#1")]


@pytest.mark.parametrize("concurrent", [1, 3])
def test_the_line_and_the_card_hold_at_every_moment(tmp_path, concurrent):
    on = board(tmp_path / "run", budget={"trials": 5, "max_epochs": 3, "grace_epochs": 1})
    status = line(on)
    for _ in range(30):
        search(on, concurrent=concurrent, reports=1)
        on.waiting = [number for number, trial in on.trials.items() if not trial.done]
        assert status.text()
        assert card(on, on.folder)
    assert "5/5 trials" in status.text()
    assert "done in" in status.text()


def test_what_is_printed_allows_a_variant_of_the_user_s_own_before_its_run_is_read_back(tmp_path, monkeypatch):
    write_variant(tmp_path / "lab" / "own", tmp_path / "ran")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("ASSAY_VARIANTS", raising=False)
    on = board(tmp_path / "run", variant="lab.own", params={"x": {"uniform": [0.0, 1.0]}})
    trained(on, {"x": 0.5})
    for text in (card(on, on.folder), describe_interruption(on, out_of_time=True)):
        first, _, following = text.partition("export ASSAY_VARIANTS=lab.own ")
        assert "python -m" not in first
        assert "python -m" in following
    with pytest.raises(UsageError, match=r"ASSAY_VARIANTS=lab\.own"):
        on.folder.space()
    monkeypatch.setenv("ASSAY_VARIANTS", "lab.own")
    assert on.folder.space() == on.space
    commands = follow_up_commands(load(on.folder.path)).commands
    assert "export ASSAY_VARIANTS=lab.own" in [command for _, command in commands]
    forget("lab")
