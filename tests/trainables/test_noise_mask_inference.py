"""An exported classifier on images that it has never seen, and what its card says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_noise import build

from trainables.artifact import CARD, Recipe, write_artifact
from trainables.checkpoint import TrainingFolder
from trainables.entry import load
from trainables.files import BEST_WEIGHTS
from trainables.loop import Loop
from trainables.noise_mask.batches import to_device
from trainables.noise_mask.config import Data
from trainables.noise_mask.inference import Classifier
from trainables.objective import Goal, Objective
from trainables.settings import UsageError

OBJECTIVE = Objective((Goal("val/accuracy_balanced_maskfree"),))


@pytest.fixture(scope="module")
def variant():
    return build(objective="reinforce")


@pytest.fixture(scope="module")
def export(variant, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    for _ in range(4):
        training.epoch()
    training.close()
    recipe = Recipe(load("noise_mask"), variant.config, Data(train_size=24, val_size=12), OBJECTIVE, 0)
    write_artifact(folder / "out", recipe, folder / "trial" / BEST_WEIGHTS, {}, variant.describe(), "For a test.")
    return folder / "out"


def test_it_says_what_the_variant_says_of_files_and_arrays_alike(export, tmp_path):
    judged = build(objective="reinforce", seed=9)
    model, pictures = Classifier.load(export), judged.pictures["val"]
    judged.classifier.load_state_dict(model.net.state_dict())
    for place in range(3):
        pixels = pictures.batch([place])[0][0]
        Image.fromarray(pixels[..., 0]).save(tmp_path / "image.png")
        images, _ = to_device(pictures, torch.tensor([place]), torch.device("cpu"))
        with torch.no_grad():
            expected = judged.classifier.eval()(images).softmax(dim=1)[0].numpy()
        found = model(pixels)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        np.testing.assert_allclose([found[name] for name in pictures.classes], expected, atol=1e-5)
        assert model(tmp_path / "image.png") == found


def test_what_is_no_image_is_refused(export, tmp_path):
    model = Classifier.load(export)
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
    done = subprocess.run(
        [sys.executable, "-c", code, str(image)], cwd=export.parent, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{image} {next(iter(Classifier.load(export)(image)))} ")
