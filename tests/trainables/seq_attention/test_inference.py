"""An exported model on images that it has never seen, and what its card says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.tiny_scenes import DATA, build, config
from trainables.export.folder import CARD, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.seq_attention import card
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.inference import Predictor
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/rollout_f1"),))


@pytest.fixture(scope="module")
def variant():
    return build(spatial_loss="heatmap_ce", glimpses=1)


@pytest.fixture(scope="module")
def export(variant, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    training.run_epoch()
    training.close()
    recipe = Recipe(load("seq_attention"), variant.config, Data(**DATA), OBJECTIVE, 0)
    write_export(folder / "out", recipe, folder / "trial" / BEST_WEIGHTS, {}, variant.describe(), "For a test.")
    return folder / "out"


@pytest.fixture(scope="module")
def images(variant, tmp_path_factory) -> list[Path]:
    """Write validation images as files, at the size that they are letterboxed to."""
    folder = tmp_path_factory.mktemp("images")
    scenes = variant.splits["val"]
    files = []
    for index, (image, size) in enumerate(zip(scenes.batch(range(len(scenes))), scenes.sizes, strict=True)):
        width, height = np.rint(size * 64 / size.max()).astype(int)
        files.append(folder / f"{index}.png")
        Image.fromarray(image[:height, :width]).save(files[-1])
    return files


def test_a_counter_counts_as_the_variant_does(export, variant, images):
    predictor = Predictor.load(export)
    scenes = variant.splits["val"]
    for done_threshold in (0.2, np.inf):
        paths = variant.judge.roll_out(variant._locator, scenes, done_threshold)
        for file, path, size in zip(images, paths, scenes.sizes, strict=True):
            objects = predictor(file, threshold=done_threshold)
            scale = np.rint(size * 64 / size.max()) / size  # the file is the fitted image: its pixels are larger
            assert len(objects.points) == len(path.points)
            np.testing.assert_allclose(objects.points, path.points * scale, atol=0.6)
            assert objects.done == pytest.approx(path.done[-1], abs=1e-3)
            assert objects.complete == (path.done[-1] >= done_threshold)


def test_its_threshold_is_that_of_the_calibration_images(export):
    report = json.loads((export / "metrics.json").read_text())["report"]
    assert Predictor.load(export).threshold == report["val/rollout_threshold"]


def test_points_are_in_pixels_of_the_file(export, tmp_path):
    file = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (300, 500, 3), np.uint8)).save(file)
    points = Predictor.load(export)(file, threshold=np.inf).points
    assert (points >= 0).all()
    assert (points <= [500, 300]).all()
    assert points.max() > 64


def test_an_image_that_is_none_is_named(export, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(UsageError, match=r"no\.png cannot be read"):
        Predictor.load(export)(tmp_path / "no.png")


def test_the_card_s_python_runs(export, images):
    code = card.snippet(str(export)).removeprefix("```python\n").removesuffix("```")
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, images[:2])], capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [str(file) for file in images[:2]]
    assert all("objects" in line or "without an end" in line for line in lines)
    assert "Predictor.load" in (export / CARD).read_text()


def test_the_card_says_what_is_not_as_published():
    notes = Config(sampling="separate", spatial_loss="literal", done_balance="natural")
    assert "Different here" not in card.notes_settings(notes)
    card_text = card.notes_settings(config(order="nearest", tau=0.25))
    assert "`order=nearest` (there: reading)" in card_text
    assert "`tau=0.25` (there: 0.1)" in card_text
