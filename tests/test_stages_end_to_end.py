"""A search over two stages on a real Ray: every command has the same best, the same figures, the same exclusions."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainables.files import RESULT

pytestmark = pytest.mark.xdist_group("ray")

METRIC = "val/accuracy_balanced_maskfree"
SPACE = """
variant: noise_mask
objective: {metric: val/accuracy_balanced_maskfree}
budget: {trials: 5, max_epochs: 4, grace_epochs: 1, reduction: 2}
searcher: {kind: random}
data: {train_size: 24, val_size: 24}
fixed: {batch_size: 6, ft_lr: 1e-3, heat_share: 0.5, warmup_epochs: 0.5, image_size: 32, augment: none,
  backbone: test_resnet, policy_backbone: test_resnet, policy_width: 8, grid: 4, sigma: 1.0, probe_steps: 2,
  objective: random}
params: {lr: {loguniform: [1e-6, 1e-2]}}
"""


def command(module, *words):
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def reports(run, trial):
    lines = (run / f"trial_{trial:04d}" / RESULT).read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    (folder / "staged.yaml").write_text(SPACE)
    words = [f"space={folder / 'staged.yaml'}", f"storage={folder}", "name=run", "cpus=2"]
    code, output, errors = command("search.run", *words)
    assert code == 0, output + errors
    (folder / "output.txt").write_text(output)
    return folder / "run"


@pytest.fixture(scope="module")
def standing(run):
    """Return the reports that stand for the trials, by a rule that is written here again, and those left in heat."""
    trials = range(len(list(run.glob("trial_*"))))
    last_stage = {trial: [r for r in reports(run, trial) if r["stage"] == "fine_tune"] for trial in trials}
    heated = [trial for trial, rows in last_stage.items() if not rows]
    best = {n: max(rows, key=lambda r: (r[METRIC], -r["epoch"])) for n, rows in last_stage.items() if rows}
    assert heated and best, "some trial must be stopped under masks"
    return best, heated


def test_all_commands_agree_on_the_best_and_exclude_what_was_stopped_in_the_first_stage(run, standing, tmp_path):
    best, heated = standing
    first = min(best, key=lambda trial: (-best[trial][METRIC], trial))
    value = best[first][METRIC]
    names = ", ".join(f"#{trial}" for trial in heated)

    output = (run.parent / "output.txt").read_text()
    card = next(line for line in output.splitlines() if "best trial #" in line)
    assert f"best trial #{first}   {METRIC} {value:.4g} at epoch {best[first]['epoch']} " in card
    assert card.endswith(f"default {METRIC} {best[0][METRIC]:.4g}")
    assert f"not compared: {names} in stage heat" in output
    assert f"best {value:.4g} (#{first}) against default {best[0][METRIC]:.4g}" in output

    assert command("analysis.best", f"run={run}")[0] == 0
    rows = list(csv.DictReader((run / "best.csv").open()))
    compared = {int(row["trial"]): row for row in rows if row["compared"] == "True"}
    assert int(rows[0]["trial"]) == first and set(compared) == set(best)
    for trial, row in compared.items():
        assert (float(row[METRIC]), int(row["epoch"])) == (best[trial][METRIC], best[trial]["epoch"])
    assert {int(row["trial"]) for row in rows[len(best) :]} == set(heated)
    assert all(row["stage"] == "heat" and row["note"].endswith("not compared") for row in rows[len(best) :])

    code, output, errors = command("analysis.report", f"run={run}")
    assert code == 0, errors
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["best"]["trial"], summary["best"]["value"]) == (first, value)
    assert (summary["best"]["best_epoch"], summary["best"]["stage"]) == (best[first]["epoch"], "fine_tune")
    assert summary["default"]["value"] == best[0][METRIC]
    assert [row["trial"] for row in summary["excluded"]] == heated
    assert {row["trial"] for row in summary["top"]} == set(best)
    assert f"{value:.4g} (trial #{first})" in output

    shutil.copytree(run, tmp_path / "copy")
    output = command("analysis.compare", f"runs=[{run},{tmp_path / 'copy'}]", f"to={tmp_path / 'page.html'}")[1]
    found = re.findall(r"run had found (\S+),", output)
    assert [float(text) for text in found] == [pytest.approx(value, rel=1e-3)]

    code, output, errors = command("analysis.export", f"run={run}", f"to={tmp_path / 'out'}")
    assert code == 0, errors
    assert f"trial {first} → {tmp_path / 'out'}    {METRIC} {value:.4g} at epoch {best[first]['epoch']}" in output
    with safe_open(tmp_path / "out" / "model.safetensors", framework="numpy") as file:
        header = json.loads(file.metadata()["report"])
    assert header == best[first] == json.loads((tmp_path / "out" / "metrics.json").read_text())["report"]
    assert (
        f"Weights of epoch {best[first]['epoch']} of 4, the best of its last stage by {METRIC}."
        in (tmp_path / "out" / "model_card.md").read_text()
    )


def test_a_trial_that_was_stopped_under_masks_is_not_exported(run, standing, tmp_path):
    code, _, errors = command("analysis.export", f"run={run}", f"trial={standing[1][0]}", f"to={tmp_path / 'out'}")
    assert code == 2 and not (tmp_path / "out").exists()
    assert "ended in stage heat" in errors and "a model of stage fine_tune" in errors


def test_hparams_show_the_figures_that_stand_for_the_trials_and_none_of_the_first_stage(run, standing):
    best, heated = standing
    for trial in (*best, *heated):
        events = EventAccumulator(str(run / f"trial_{trial:04d}"))
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("best/")]
        assert tags == ([f"best/{METRIC}"] if trial in best else [])
        for tag in tags:
            assert events.Scalars(tag)[-1].value == pytest.approx(best[trial][METRIC])
