"""An exported model on images that it has never seen, and what its card says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.repository import ROOT
from tests.support.tiny_gaze import build, config, data
from trainables.entropy_reg import card
from trainables.entropy_reg.centre_bias import CentreBias, uniform_log_density
from trainables.entropy_reg.inference import Predictor
from trainables.entropy_reg.prior import Prior
from trainables.export.folder import CARD, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.settings import UsageError
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))


def exported(folder: Path, variant, cache: Path) -> Path:
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    training.run_epoch()
    training.close()
    recipe = Recipe(load("entropy_reg"), variant.config, data(cache), OBJECTIVE, 0)
    write_export(folder / "out", recipe, folder / "trial" / BEST_WEIGHTS, {}, variant.describe(), "For a test.")
    return folder / "out"


@pytest.fixture(scope="module")
def variant(cache):
    return build(cache)


@pytest.fixture(scope="module")
def export(variant, cache, tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("export"), variant, cache)


@pytest.fixture(scope="module")
def with_history(cache, tmp_path_factory):
    variant = build(cache, history="real", spatial_share=0.0)
    return variant, exported(tmp_path_factory.mktemp("history"), variant, cache)


@pytest.fixture(scope="module")
def image(variant, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("images") / "image.png"
    Image.fromarray(np.array(variant.splits["val"].pixels[0])).save(file)
    return file


def test_a_model_expects_what_the_variant_does(export, variant, image):
    judge = variant._judge("val", variant.prior)
    expected = judge.mean_log_density(0).repeat(4, axis=0).repeat(4, axis=1) - np.log(16)
    result = Predictor.load(export)(image)
    assert result.shape == (48, 64)
    np.testing.assert_allclose(np.exp(result), np.exp(expected), rtol=0.02)  # the export's centre bias is on a grid


def test_given_the_same_centre_bias_it_is_the_same(export, variant, image):
    expected = variant._judge("val", None).mean_log_density(0).repeat(4, axis=0).repeat(4, axis=1) - np.log(16)
    np.testing.assert_allclose(Predictor.load(export)(image, centre_bias="uniform"), expected, atol=1e-4)
    np.testing.assert_allclose(
        Predictor.load(export)(image, centre_bias=uniform_log_density((5, 9))), expected, atol=1e-4
    )


def test_another_centre_bias_moves_the_density(export, image):
    rng = np.random.default_rng(0)
    left = [((rng.normal((12, 24), 3, (30, 2))).clip(0, 47), (48, 64)) for _ in range(3)]
    bias_to_the_left = CentreBias.fit(left, 0.1, 0.0).log_density((12, 16))
    predictor = Predictor.load(export)
    plain, moved = (np.exp(predictor(image, centre_bias=item)) for item in ("uniform", bias_to_the_left))
    columns = np.arange(64)
    assert (moved.sum(axis=0) * columns).sum() < (plain.sum(axis=0) * columns).sum() - 5


def test_the_density_is_of_the_files_pixels_and_sums_to_one(export, tmp_path):
    for size in ((300, 500, 3), (121, 90, 3)):
        file = tmp_path / f"{size[0]}.png"
        Image.fromarray(np.random.default_rng(3).integers(0, 256, size, np.uint8)).save(file)
        result = Predictor.load(export)(file)
        assert result.shape == size[:2]
        assert np.exp(result.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)


def test_a_history_is_in_pixels_of_the_file_the_last_fixation_last(with_history, tmp_path, image):
    predictor = Predictor.load(with_history[1])
    points = np.array([[10.0, 20.0], [40.0, 30.0]])
    near = predictor(image, history=points)
    assert not np.allclose(near, predictor(image, history=points[::-1]))
    assert not np.allclose(near, predictor(image))
    large = tmp_path / "large.png"
    Image.open(image).resize((640, 480), Image.Resampling.NEAREST).save(large)
    again = predictor(large, history=points * 10)[5::10, 5::10] + np.log(100)
    assert np.corrcoef(np.exp(near).ravel(), np.exp(again).ravel())[0, 1] > 0.99


def test_only_the_last_four_of_a_long_history_count(with_history, image):
    predictor = Predictor.load(with_history[1])
    long = np.random.default_rng(0).uniform(0, 48, (7, 2))
    np.testing.assert_array_equal(predictor(image, history=long), predictor(image, history=long[-4:]))


def test_a_spatial_model_refuses_a_history(export, image):
    with pytest.raises(UsageError, match="takes no history"):
        Predictor.load(export)(image, history=np.array([[1.0, 2.0]]))


def test_an_image_that_is_none_is_named(export, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(UsageError, match=r"no\.png cannot be read"):
        Predictor.load(export)(tmp_path / "no.png")


def test_another_backbone_than_the_trained_one_is_refused(export, tmp_path):
    copy = shutil.copytree(export, tmp_path / "copy")
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["facts"]["backbone"]["digest"] = "another"
    (copy / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(UsageError, match="give it the same weights"):
        Predictor.load(copy)


def test_the_exported_centre_bias_is_the_training_s(variant):
    prior = Prior(variant.prior)
    np.testing.assert_allclose(
        np.exp(prior.resize((12, 16)).numpy()), np.exp(variant.prior.log_density((12, 16))), rtol=0.03
    )


def test_the_snippet_of_the_card_runs(export, image):
    (body,) = [part for part in card.snippet(str(export), config()).split("```") if part.startswith("python")]
    done = subprocess.run(
        [sys.executable, "-c", body.removeprefix("python\n"), str(image)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "most likely at" in done.stdout
    assert "Use it on an image" in (export / CARD).read_text()


def test_the_card_says_the_notes_settings_and_how_to_decide():
    text = card.sections("out", config(regulariser="entropy", lambda_eff=0.02, compute_every=50), None, {})
    assert "`entropy_weight: 1`" in text["The notes' settings"]
    assert "go_no_go config=" in text["Go or no-go"]
    assert "Go or no-go" not in card.sections("out", config(), None, {})
