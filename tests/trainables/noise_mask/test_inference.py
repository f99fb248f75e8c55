"""An exported classifier on images that it has never seen, and what its card says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.repository import ROOT
from tests.support.tiny_noise import OBJECTIVE, build
from trainables.export.folder import CARD, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS
from trainables.images.augment import to_device
from trainables.noise_mask import card
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.inference import Predictor
from trainables.registry import load
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop


@pytest.fixture(scope="module")
def variant():
    return build(objective="reinforce")


@pytest.fixture(scope="module")
def export(variant, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    for _ in range(4):
        training.run_epoch()
    training.close()
    recipe = Recipe(load("noise_mask"), variant.config, Data(train_size=24, val_size=12), OBJECTIVE, 0)
    write_export(folder / "out", recipe, folder / "trial" / BEST_WEIGHTS, {}, variant.describe(), "For a test.")
    return folder / "out"


def test_it_says_what_the_variant_says_of_files_and_arrays_alike(export, tmp_path):
    twin = build(objective="reinforce", seed=9)
    model, pictures = Predictor.load(export), twin.splits["val"]
    twin.classifier.load_state_dict(model.network.state_dict())
    for index in range(3):
        pixels = pictures.batch([index])[0][0]
        Image.fromarray(pixels[..., 0]).save(tmp_path / "image.png")
        images, _ = to_device(pictures, torch.tensor([index]), torch.device("cpu"))
        with torch.no_grad():
            expected = twin.classifier.eval()(images).softmax(dim=1)[0].numpy()
        probabilities = model(pixels)
        assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
        np.testing.assert_allclose([probabilities[name] for name in pictures.classes], expected, atol=1e-5)
        assert model(tmp_path / "image.png") == probabilities


def test_what_is_no_image_is_refused(export, tmp_path):
    model = Predictor.load(export)
    with pytest.raises(UsageError, match=r"an array \[2, 3, 4, 5\] of float64 is no image"):
        model(np.zeros((2, 3, 4, 5)))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UsageError, match=r"text\.png"):
        model(tmp_path / "text.png")


def test_the_card_s_lines_run_where_the_export_lies(export):
    text = (export / CARD).read_text()
    code = next(each.split("```")[0] for each in text.split("```python\n")[1:] if "inference" in each)
    image = export.parent / "image.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(image)
    process = subprocess.run(
        [sys.executable, "-c", code, str(image)], cwd=export.parent, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{image} {next(iter(Predictor.load(export)(image)))} ")


def test_the_card_spells_the_published_commands_with_their_epochs_of_each_stage():
    published = Config(
        objective="literal", entropy=0.0, channels=3, clip_norm=0.0, warmup_epochs=0.0, kernel=13, lr=0.1
    )
    heat, tuning = card.published_commands(published, Data(source="folder", root="/my images"), 165).split("\n\n")[:2]
    for flag in ("--epochs 90", "--lr 0.1", "--grid 64", "--kernel 13", "--sigma 6", "--batch-size 32", "'/my images'"):
        assert f"{flag} " in heat
    for flag in ("--epochs 10", "--lr 0.0001", "--lr-warmup-epochs 7", "--num-classes 165", "--batch-size 64"):
        assert f"{flag} " in tuning


def test_the_card_says_what_the_published_commands_cannot_say():
    published = {"channels": 3, "clip_norm": 0.0, "warmup_epochs": 0.0}
    commands = card.published_commands(Config(objective="literal", entropy=0.0, **published), Data(), 3)
    assert "no flag" not in commands
    assert "these had 0.2 to 20" in commands
    commands = card.published_commands(Config(sign="adversarial", erase=0.5, sigma=1.5, **published), Data(), 3)
    for change in ("`sign=adversarial` (there: cooperative)", "`erase=0.5` (there: 0)", "`sigma=1.5` (there: 2)"):
        assert change in commands
    commands = card.published_commands(Config(objective="none", **published), Data(), 3)
    assert "_policy_gradient" not in commands
    assert "Beta" not in commands
    assert "--epochs 100 " in commands
