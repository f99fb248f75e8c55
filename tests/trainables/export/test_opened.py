"""An export opened for inference: what it holds, and what is refused in one sentence."""

import importlib
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.curves.config import Config as CurvesConfig
from benchmarks.curves.config import Data as CurvesData
from trainables import registry
from trainables.export.opened import Export
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.objective import Goal, Objective
from trainables.settings import UsageError


def write_export(folder, variant):
    """Write the files of an export with the default settings, one tensor and no facts."""
    entry = registry.load(variant)
    folder.mkdir()
    Recipe(entry, entry.Config(), entry.Data(), Objective((Goal("val/score"),)), seed=3).write(folder / CONFIG)
    (folder / METRICS).write_text(json.dumps({"facts": {"classes": ["a"]}, "report": {"val/score": 0.5, "epoch": 2}}))
    save_file({"line.weight": torch.ones(1, 2), "line.bias": torch.zeros(1)}, folder / WEIGHTS)
    return folder


@pytest.fixture
def curves(tmp_path):
    return write_export(tmp_path / "curves", "benchmarks.curves")


def test_an_export_holds_config_data_facts_report_and_weights(curves):
    export = Export.open(str(curves), CurvesConfig, CurvesData)
    assert export.config == CurvesConfig()
    assert export.data == registry.load("benchmarks.curves").Data()
    assert export.facts == {"classes": ["a"]}
    assert export.report == {"val/score": 0.5, "epoch": 2}
    line = nn.Linear(2, 1)
    export.load_weights({"line": line})
    assert line.weight.tolist() == [[1.0, 1.0]]
    assert export.tensor("line.bias").tolist() == [0.0]


@pytest.mark.parametrize("file", [CONFIG, METRICS, WEIGHTS])
def test_a_folder_without_one_of_the_files_is_no_export(curves, file):
    (curves / file).unlink()
    with pytest.raises(UsageError) as refusal:
        Export.open(curves, CurvesConfig, CurvesData)
    assert str(refusal.value) == f"{curves} is no export (it has no {file}); `python -m analysis.export` writes one."


def test_a_folder_that_does_not_exist_is_no_export(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere is no export .*analysis\.export"):
        Export.open(tmp_path / "nowhere", CurvesConfig, CurvesData)


PAIRS = [
    (variant, reader)
    for variant in ("benchmarks.curves", *registry.names())
    for reader in registry.names()
    if variant != reader
]


@pytest.mark.parametrize(("variant", "reader"), PAIRS)
def test_an_export_of_another_variant_is_refused_by_every_predictor(tmp_path, variant, reader):
    """An export of another variant raised an empty `AssertionError`."""
    folder = write_export(tmp_path / "export", variant)
    predictor = importlib.import_module(f"trainables.{reader}.inference").Predictor
    with pytest.raises(UsageError) as refusal:
        predictor.load(folder)
    package = registry.load(variant).package
    assert str(refusal.value) == (
        f"{folder} is an export of the variant {variant}: open it with {package}.inference, not with "
        f"trainables.{reader}.inference."
    )
