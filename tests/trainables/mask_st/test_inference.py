"""An exported mask_st without its data: the same predictions, the snippet on its card, and the notes' spelling."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.repository import ROOT
from tests.support.tiny_masks import build
from trainables.export.folder import CARD, write_export
from trainables.export.recipe import Recipe
from trainables.files import CONFIG
from trainables.images.fingerprint import fingerprint
from trainables.mask_st.card import notes_spelling
from trainables.mask_st.config import Config, Data
from trainables.mask_st.inference import Predictor
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.settings import UsageError

NOTES = """
  --train_csv nih_roi_train.csv --image_root FOLDER --batch_size 24 --accum_steps 1 --epochs 20 --channels_last
  --autocast_dtype bf16 --img_size 224 --lr 1e-4 --alpha 1.0 --beta 0.5 --gamma 5e-3 --delta 5e-4 --keep_ratio 0.1
  --mask_volume_target 0.1 --mask_volume_lambda 5.0 --mask_temperature 0.7 --mask_temperature_min 0.2
  --mask_temperature_decay 0.98 --mask_hard --mask_gumbel --mask_project
"""


def write_tiny_export(folder, **settings):
    """Write a tiny model as an export; return its variant, and validation images as files."""
    from safetensors.torch import save_file  # noqa: PLC0415

    from trainables.training.loop import Loop  # noqa: PLC0415

    variant = build(**settings)
    objective = Objective((Goal("val/auroc_macro"),))
    weights = Loop(variant, objective).weights()
    report = {"epoch": 1, "objective/value": 0.5, "val/auroc_macro": 0.5, "findings": []}
    folder.mkdir()
    save_file(weights, folder / "weights.safetensors", metadata={"report": json.dumps(report)})
    recipe = Recipe(load("mask_st"), variant.config, Data(train_size=24, val_size=16), objective, 0)
    write_export(folder / "out", recipe, folder / "weights.safetensors", {}, variant.describe(), "For the test.")
    images, _ = variant.splits["val"].batch(range(4))
    files = [folder / f"{index}.png" for index in range(4)]
    for file, pixels in zip(files, images, strict=True):
        Image.fromarray(pixels[..., 0]).save(file)
    return variant, files


@pytest.mark.parametrize("kind", ["straight_through", "ppo", "none"])
def test_a_predictor_says_what_the_variant_says_of_the_same_images(tmp_path, kind):
    variant, files = write_tiny_export(tmp_path / "export", mask_kind=kind)
    predictor = Predictor.load(tmp_path / "export" / "out")
    predictions = [predictor(file) for file in files]
    variant_predictions = variant.judge.predict(variant.splits["val"], np.arange(4))
    probabilities = [list(prediction.probabilities.values()) for prediction in predictions]
    np.testing.assert_allclose(probabilities, variant_predictions.full, atol=1e-6)
    assert all(tuple(prediction.probabilities) == variant.classes for prediction in predictions)
    if kind == "none":
        assert all(prediction.mask is None for prediction in predictions)
        return
    masks = np.stack([prediction.mask for prediction in predictions])
    assert masks.shape == (4, 32, 32)
    assert masks.dtype == bool
    assert masks.mean(axis=(1, 2)) == pytest.approx(variant_predictions.masks.mean(axis=(1, 2)), abs=0.03)


def test_the_snippet_on_the_card_runs_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, files = write_tiny_export(Path("""it's my "own" export"""))
    card = (files[0].parent / "out" / CARD).read_text()
    code = re.search(r"## Use it on an image\n\n```python\n(.*?)```", card, re.DOTALL).group(1)
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, *(str(file.resolve()) for file in files[:2])],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"0\.png ring \d\.\d{3} cross \d\.\d{3}", done.stdout)
    assert re.findall(r"^the mask keeps (\d+\.\d)%$", done.stdout, re.MULTILINE) == ["12.5", "12.5"]  # 2 of 16 cells


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    write_tiny_export(tmp_path / "export")
    with pytest.raises(UsageError, match=r"missing\.png cannot be read"):
        Predictor.load(tmp_path / "export" / "out")(tmp_path / "missing.png")


def test_the_published_settings_are_spelt_as_the_notes_do():
    literal = {f"{name}_form": "literal" for name in ("consistency", "drop", "area", "volume")}
    config = Config(
        noise="gumbel_literal",
        temperature_decay=0.98,
        mask_arch="literal",
        mask_lr_mult=1.0,
        bce_fraction=0.0,
        ramp_fraction=0.0,
        **literal,
    )
    spelt = notes_spelling(config, Data())
    assert flags(spelt) == flags(NOTES)
    assert "no flag" not in spelt


def test_the_notes_command_can_be_pasted_whatever_the_data_folder_is_called():
    spelt = notes_spelling(Config(), Data(source="nih", root="/data/it's $mine")).split("```")[1]
    assert "/data/it's $mine" in shlex.split(spelt)


def test_what_the_notes_cannot_say_is_named():
    spelt = notes_spelling(Config(weighting="gradnorm", hard=False, noise="none"), Data())
    assert flags(spelt)["--dynamic_weights"] is None
    assert not {"--mask_hard", "--mask_gumbel"} & set(flags(spelt))
    assert "`consistency_form=kl` (there: literal)" in spelt
    decay = flags(spelt)["--mask_temperature_decay"]
    assert 0.7 * decay**19 == pytest.approx(0.2, rel=1e-3)  # the floor is reached with the last epoch


def test_a_fingerprint_moves_with_pixels_labels_and_order():
    pixels, rows = np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), np.arange(3)
    original = fingerprint(pixels, rows, [["a"]])
    assert original == fingerprint(pixels.copy(), rows, [["a"]])
    brighter = pixels.copy()
    brighter[2, 3, 3] += 1
    variations = {
        fingerprint(brighter, rows, [["a"]]),
        fingerprint(pixels, rows[::-1], [["a"]]),
        fingerprint(pixels, rows, [["b"]]),
        fingerprint(pixels, rows[:2], [["a"]]),
    }
    assert len({*variations, original}) == 5


def test_the_config_of_an_export_reads_back(tmp_path):
    variant, _ = write_tiny_export(tmp_path / "export")
    assert Recipe.read(tmp_path / "export" / "out" / CONFIG, {}, {}).config == variant.config


def flags(text):
    """Read the flags of a command: flag → number, word, or None."""
    words = text.split("```")[1].split() if "```" in text else text.split()
    values, name = {}, ""
    for word in words:
        if word.startswith("--"):
            name = word
            values[name] = None
        elif name and word != "\\":
            values[name] = float(word) if word.replace(".", "", 1).replace("e-", "", 1).isdigit() else word
    return values
