"""The page as a whole: one file that needs nothing else, from any state of a run, and a summary that agrees."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analysis import report
from analysis.frames.experiment import load
from analysis.importance.estimates import MIN_TRIALS
from tests.support.pages import Elements, without_plotly, write_page
from tests.support.simulated import add, board, search
from trainables.files import RESULT, trial_folder
from trainables.settings import UsageError

EVIL = '<script>alert(1)</script> & "quoted" </script>'
PARAMS = {"x": {"uniform": [0.0, 1.0]}, "y": {"uniform": [0.0, 1.0]}, "kind": {"choice": ["plain", "shifted"]}}


@pytest.fixture
def searched(tmp_path):
    on = board(
        tmp_path / "run",
        params=PARAMS,
        constraints={"val/cost": 0.6},
        budget={"trials": 12, "max_epochs": 4, "grace_epochs": 2},
    )
    search(on, seed=0)
    return on.folder.path


def test_the_page_needs_nothing_else(searched):
    page, _ = write_page(searched)
    elements = Elements(page)
    assert all(address.startswith(("#", "data:")) for address in elements.addresses)
    assert elements.scripts == 4  # two of data, plotly, the page's own
    assert "http://" not in without_plotly(page).replace("http://www.w3.org", "") and "https://" not in without_plotly(
        page
    )
    assert len(page) < 8e6
    headings = ["Did it work?", "History", "Learning curves", "Setting by setting", "What mattered", "Combinations"]
    headings += ["Objective and constraints", "Health", "Failures", "The best trials", "How to do it again"]
    assert elements.headings == ["run", *headings]
    assert {f"#{name}" for name in re.findall(r'<section id="(\w+)"', page)} <= set(elements.addresses)


def test_every_figure_has_its_place_and_its_trials(searched):
    page, _ = write_page(searched)
    parts = {name: re.search(rf'id="{name}">(.*?)</script>', page, re.S)[1] for name in ("figures", "trials")}
    figures, trials = json.loads(parts["figures"]), json.loads(parts["trials"])
    assert sorted(map(int, re.findall(r'data-figure="(\d+)"', page))) == list(range(len(figures)))
    hovered = {trial for figure in figures for item in figure["data"] for trial in item.get("customdata", [])} - {-1}
    assert {str(trial) for trial in hovered} == set(trials)
    assert trials["0"].startswith("#0 · finished · 0.") and "kind plain" in trials["0"]


def test_the_summary_is_what_the_frames_say(searched):
    _, summary = write_page(searched)
    experiment = load(searched)
    assert summary["best"]["trial"] == experiment.best == summary["top"][0]["trial"]
    assert isinstance(summary["best"]["best_epoch"], int) and isinstance(summary["top"][0]["epoch"], int)
    assert summary["front"] is None
    assert summary["best"]["value"] == experiment.trials["value"][experiment.best]
    assert summary["best"]["settings"] == experiment.settings.loc[experiment.best].to_dict()
    assert summary["default"]["value"] == experiment.trials["value"][0]
    assert [row["trial"] for row in summary["top"]] == experiment.ranking[:10]
    assert [row["value"] for row in summary["top"]] == list(experiment.trials["value"].loc[experiment.ranking[:10]])
    assert summary["headline"]["trials"] == len(experiment.trials) == 12
    assert summary["importances"] is None and summary["proof"] is None
    assert {answer["verdict"] for answer in summary["answers"]} <= {"good", "careful", "bad", "unknown"}
    assert summary["objective"]["constraints"] == {"val/cost": 0.6}


def test_importances_say_how_many_trials_they_miss(searched):
    page, _ = write_page(searched)
    trials = max(len(load(searched).values_at(rung)) for rung in (2, 4))
    assert f"Importances need {MIN_TRIALS} trials at a common rung; there are {trials}." in page


def test_failures_and_findings_are_grouped_and_escaped(tmp_path):
    on = board(tmp_path / "run", params=PARAMS, budget={"trials": 9, "max_epochs": 3, "grace_epochs": 1})
    for index in range(4):
        add(on, {"x": 0.1 * index, "y": 0.5, "kind": "plain"}, epochs=3)
    for index in range(3):
        trial = add(on, {"x": 0.5, "y": 0.5, "kind": "plain"}, epochs=1)
        on.end(trial.number, "failed", "error", f"out of memory: 2.{index} GiB {EVIL}")
    run = on.folder.path
    path = trial_folder(run, 1) / RESULT
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    assert lines == []  # these reports were never written: below they are
    write_reports(run, {0: 0.5, 1: 0.6, 2: 0.7}, findings={1: [{"check": "collapsed <b>", "message": EVIL}]})
    page, summary = write_page(run)
    assert Elements(page).scripts == 4 and "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    (failure,) = summary["failures"]
    assert failure["trials"] == [4, 5, 6] and failure["example"] == f"out of memory: 2.0 GiB {EVIL}"
    (finding,) = summary["findings"]
    assert finding == {"check": "collapsed <b>", "trials": 1, "share": 1 / 7, "first_epoch": 1, "message": EVIL}


def write_reports(run, values, findings=None):
    """Write one epoch of some trials, as their `reports.jsonl`."""
    for trial, value in values.items():
        facts = {"objective/value": value, "objective/violation": 0.0, "objective/feasible": 1.0, "time/total_s": 1.0}
        line = {"epoch": 1, "val/score": value, **facts, "findings": (findings or {}).get(trial, [])}
        (trial_folder(run, trial) / RESULT).write_text(json.dumps(line) + "\n")


@pytest.mark.parametrize("trials", ["none", "running", "failed"])
def test_a_run_without_a_result_has_a_page_that_says_so(tmp_path, trials):
    on = board(tmp_path / "run", params=PARAMS)
    if trials != "none":
        add(on, {"x": 0.5, "y": 0.5, "kind": "plain"}, ended="failed" if trials == "failed" else "", cause="error")
    page, summary = write_page(on.folder.path)
    assert ("The only trial has failed" if trials == "failed" else "No trial has a result yet") in page
    assert not any(
        f"python -m {command}" in page for command in ("analysis.retrain", "analysis.export", "trainables.train")
    )
    assert summary["best"] is None and summary["top"] == []
    assert "data-figure" not in page
    assert len(page) < 200_000  # nothing to draw, so nothing to draw it with


def test_a_running_search_has_a_page_that_says_how_far_it_is(tmp_path):
    on = board(tmp_path / "run", params=PARAMS, budget={"trials": 24, "max_epochs": 9, "grace_epochs": 3})
    search(on, seed=1, concurrent=3, reports=40)
    page, summary = write_page(on.folder.path)
    headline = summary["headline"]
    ended = headline["finished"] + headline["stopped"] + headline["failed"]
    assert 0 < ended < 24 and headline["running"] > 0
    assert f"{ended} of 24 trials so far" in page
    unreadable = next(trial for trial, status in load(on.folder.path).trials["status"].items() if status == "running")
    (trial_folder(on.folder.path, unreadable) / "trial.json").write_text("{")
    assert f"{ended + 1} of 24 trials so far" in write_page(on.folder.path)[0]


def test_a_damaged_run_is_shown_as_far_as_it_can_be_read(searched):
    (searched / "environment.json").write_text('{"command": ')
    (trial_folder(searched, 3) / "trial.json").write_text("{")
    with (trial_folder(searched, 5) / RESULT).open("a") as file:
        file.write('{"epoch": 7, "val')
    page, summary = write_page(searched)
    experiment = load(searched)
    assert len(experiment.problems) >= 3
    assert summary["problems"] == list(experiment.problems)
    for problem in experiment.problems:
        assert problem.split(":")[0] in page


def test_several_goals_have_a_front(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    budget = {"trials": 8, "max_epochs": 2, "grace_epochs": 1}
    on = board(tmp_path / "run", params=PARAMS, objective=goals, scheduler={"kind": "none"}, budget=budget)
    search(on, seed=0)
    page, summary = write_page(on.folder.path)
    experiment = load(on.folder.path)
    assert [row["trial"] for row in summary["front"]] == experiment.front
    assert summary["front"][0]["val/cost"] == experiment.trials["val/cost"][experiment.front[0]]
    assert set(summary["front"][0]["settings"]) == {"x", "y", "kind"}
    assert "by val/score, the first of 2 goals" in summary["headline"]["sentence"]
    for goal in ("val/score", "val/cost"):
        assert f"top=3 seeds=5 goal={goal}" in page
    assert "Pareto front" in Elements(page).headings
    assert '<th scope="col" class="number">val/<wbr>cost</th>' in page  # both goals stand in the table of the best
    assert '<th scope="col">feasible</th>' not in page  # there are no constraints


def candidate(trial, mean):
    """Build a trial's row of a proof."""
    values = {str(1001 + index): mean + 0.01 * index for index in (-1, 0, 1)}
    return {"trial": trial, "values": values, "mean": mean, "searched": mean + 0.1, "optimism": 0.1, "failed": []}


def test_a_proof_comes_first(searched):
    proof = {"sentence": "Better than the default: sure.", "verdict": "better", "metric": "val/score", "mode": "max"}
    gain = {"value": 0.3, "low": 0.2, "high": 0.4, "confidence": 0.95}
    proof |= {"candidates": [candidate(3, 0.8)], "default": candidate(0, 0.5), "winner": 3, "gain": gain, "test": None}
    before, _ = write_page(searched)
    assert "on one seed" in before and "analysis.retrain run=" in before
    (searched / "retrain").mkdir()
    (searched / "retrain" / "proof.json").write_text(json.dumps(proof))
    page, summary = write_page(searched)
    assert summary["headline"]["sentence"] == proof["sentence"]
    assert page.index("Better than the default: sure.") < page.index('<dl class="tiles')
    assert "95% interval 0.2 to 0.4" in page and "#3 (winner)" in page
    assert summary["proof"] == proof
    (searched / "retrain" / "proof.json").write_text('{"sentence": "half')
    page, summary = write_page(searched)
    assert summary["proof"] is None and any("proof.json" in problem for problem in summary["problems"])


def test_panels_of_the_best_and_the_default_are_embedded(searched):
    experiment = load(searched)
    for trial in {*experiment.ranking[:4], 0}:
        folder = trial_folder(searched, trial) / "panels"
        folder.mkdir()
        for index in range(3):
            noise = np.random.default_rng(index).integers(0, 255, (600, 900, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / f"example_{index}.png")
    best = experiment.best
    (trial_folder(searched, best) / "panels" / "example_0.png").write_bytes(b"no picture")
    page, _ = write_page(searched)
    trials = {*experiment.ranking[:3], 0}
    images = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    assert len(images) == 2 * len(trials) - 1
    assert page.count('<figure class="panels">') == len(trials)
    assert "The best trials and the default on fixed validation examples, at the epochs that stand for them." in page
    assert sum(map(len, images)) < 1.5e6


def test_tensorboard_shows_the_report_once(searched):
    for _ in range(2):
        write_page(searched)
    files = list((searched / "report").glob("events.out.tfevents.*"))
    assert len(files) == 1
    events = EventAccumulator(str(searched / "report"))
    events.Reload()
    (event,) = events.Tensors("report/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert load(searched).name in text and "· *Is the best better than the default?*" in text


def test_the_command_says_what_it_found_and_where_the_page_is(searched, tmp_path, capsys):
    page = tmp_path / "elsewhere" / "page.html"
    assert report.main([f"run={searched}", f"to={page}"]) == 0
    output = capsys.readouterr().out
    summary = json.loads((page.parent / "page.json").read_text())
    assert page.exists() and not (searched / "report.html").exists()
    assert not any((folder / "summary.json").exists() for folder in (page.parent, searched))
    assert summary["headline"]["sentence"] in output and str(page) in output
    good = sum(answer["verdict"] == "good" for answer in summary["answers"])
    assert f"{good} good" in output
    with pytest.raises(UsageError, match=r"give the page's file"):
        report.main([f"run={searched}", "to=page.json"])
    with pytest.raises(UsageError, match="is no run"):
        report.main(["run=/no/such"])
    with pytest.raises(UsageError, match=r"cannot be written .* give another path with to=FILE"):
        report.main([f"run={searched}", f"to={page}/below/a/file.html"])
