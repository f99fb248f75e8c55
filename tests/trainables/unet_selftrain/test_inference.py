"""An exported model on micrographs that it has never seen, and what its card says."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.tiny_micrographs import build, config
from trainables.export.folder import CARD, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, CONFIG, WEIGHTS
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.unet_selftrain import card, pick
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.downsampling import z_score
from trainables.unet_selftrain.inference import Predictor

OBJECTIVE = Objective((Goal("val/particle_ap"),))


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    variant = build(downsample=2, tile=16, data={"size": 128, "radius": 12})
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    training.run_epoch()
    training.close()
    data = Data(train_size=4, val_size=4, size=128, radius=12, label_share=0.5)
    recipe = Recipe(load("unet_selftrain"), variant.config, data, OBJECTIVE, 0)
    facts = variant.describe()
    write_export(folder / "out", recipe, folder / "trial" / BEST_WEIGHTS, {}, facts, "Trained for a test.")
    return folder / "out"


@pytest.fixture(scope="module")
def micrograph(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("new") / "new.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (150, 130), np.uint8)).save(file)
    return file


def test_a_picker_picks_what_the_variant_picks(export, micrograph):
    predictor = Predictor.load(export)
    variant = build(downsample=2, tile=16, data={"size": 128, "radius": 12})
    from_export = Recipe.read(export / CONFIG, {}, {})
    assert from_export.config == variant.config
    found = predictor(micrograph)
    assert (found.scores >= predictor.threshold).all()
    assert len(predictor(micrograph, threshold=0.0).points) >= len(found.points)
    inside = (found.points >= 0).all() and (found.points <= [130, 150]).all()
    assert inside  # in pixels of the file, not of the downsampled picture
    assert np.ptp(predictor(micrograph, threshold=0.0).points[:, 1]) > 75


def test_its_threshold_and_radius_are_those_of_the_training(export):
    predictor = Predictor.load(export)
    report = json.loads((export / "metrics.json").read_text())["report"]
    assert predictor.threshold == report["val/particle_threshold"]
    assert predictor.radius == 12


def test_the_command_writes_what_the_picker_finds_as_json_and_star(export, micrograph, tmp_path, capsys):
    words = [f"model={export}", f"images={micrograph.parent}", "threshold=0", "device=cpu"]
    expected = Predictor.load(export)(micrograph, threshold=0.0)
    assert pick.main([*words, f"to={tmp_path / 'picks.json'}"]) == 0
    assert f"{len(expected.points)} particles in 1 micrographs" in capsys.readouterr().out
    listed = json.loads((tmp_path / "picks.json").read_text())
    np.testing.assert_allclose(listed["new.png"], expected.points, atol=0.006)
    assert pick.main([*words, f"to={tmp_path / 'star'}"]) == 0
    lines = (tmp_path / "star" / "new_autopick.star").read_text().split("#3\n")[1].splitlines()
    rows = np.array([line.split() for line in lines], dtype=float)
    np.testing.assert_allclose(rows[:, :2], expected.points, atol=0.001)
    np.testing.assert_allclose(rows[:, 2], expected.scores, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=/nope", "images=/nope", "to=x.json"], "model=/nope is no exported model"),
        (["images=/nope", "to=x.json"], "model is required"),
    ],
)
def test_what_cannot_be_picked_with_is_refused(words, message):
    with pytest.raises(UsageError, match=message):
        pick.main(words)


def test_a_folder_without_micrographs_is_refused(export, tmp_path):
    with pytest.raises(UsageError, match=r"has no micrograph; give a folder with \.png"):
        pick.main([f"model={export}", f"images={tmp_path}", "to=x.json"])


def test_the_card_s_python_runs(export, micrograph):
    page = (export / CARD).read_text()
    code = page.split("## Use it on a micrograph\n\n```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code, str(micrograph)], capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert list(printed) == ["new.png"]
    expected = Predictor.load(export)(micrograph).points
    np.testing.assert_allclose(np.array(printed["new.png"]).reshape(-1, 2), expected, rtol=1e-4)


def test_a_training_can_begin_with_the_export(export):
    values = {"init_from": str(export), "supervised_share": 0, "downsample": 2, "tile": 16}
    variant = build(data={"size": 128, "radius": 12}, **values)
    loop = Loop(variant, OBJECTIVE)
    begun = Predictor.load(export)
    for key, value in begun.net.state_dict().items():
        assert (variant.net.state_dict()[key] == value).all()
    assert [stage.name for stage in variant.stages] == ["iteration_1_selftrain", "iteration_2_selftrain"]
    report = loop.run_epoch()
    assert report["train/iteration"] == 1
    exported = json.loads((export / "metrics.json").read_text())["report"]["val/particle_ap"]
    assert report["train/ap_before"] == pytest.approx(exported)


def test_the_notes_spelling_says_what_their_script_cannot():
    text = card.notes_spelling(Config(), Data(source="micrographs", root="/data", radius=10))
    for flag in (
        "--image-dir /data/images",
        "--coords-file /data/coordinates.json",
        "--initial-epochs 100",
        "--self-training-iterations 3",
        "--retrain-epochs 30",
        "--batch-size 128",
        "--learning-rate 0.001",
    ):
        assert flag in text
    assert "no flag" not in text
    other = card.notes_spelling(dataclasses.replace(Config(), balance="pos_weight", retrain_lr=0.1), Data())
    assert "`balance=pos_weight` (there: alpha)" in other
    assert "`retrain_lr=0.1` (there: 1)" in other


def test_the_card_of_the_control_has_no_iterations():
    text = card.notes_spelling(config(iterations=0), Data())
    assert "--initial-epochs 6" in text
    assert "--retrain-epochs 0" in text


def test_weights_fit_the_network_of_the_export(export):
    assert (export / WEIGHTS).is_file()
    z = z_score(np.arange(256, dtype=np.uint8))
    assert z[0] == pytest.approx(-5)
    assert z[255] == pytest.approx(5)
