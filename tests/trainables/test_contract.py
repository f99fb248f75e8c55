"""Every variant as found by name, and what is refused before anything is built."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainables import registry as variants
from trainables.base_config import DataConfig, TrainingConfig
from trainables.settings import UsageError


@pytest.mark.parametrize("name", [*variants.names(), "benchmarks.curves"])
def test_a_variant_has_a_title_and_settings_that_are_their_own_defaults(name):
    entry = variants.load(name)
    assert entry.title
    assert issubclass(entry.Config, TrainingConfig)
    assert issubclass(entry.Data, DataConfig)
    assert entry.Config.from_dict(entry.Config().as_dict()) == entry.Config()
    assert entry.Data.from_dict(entry.Data().as_dict()) == entry.Data()
    for kind in (entry.Config, entry.Data):
        assert all(text for _, _, text in kind.help_lines()), f"{kind} has a setting without help"


def test_settings_and_plans_need_neither_torch_nor_ray():
    loads = "; ".join(f"variants.load('{name}')" for name in variants.names())
    check = f"import sys, search.request; from trainables import registry as variants; {loads}; " + (
        "print([name for name in ('torch', 'ray') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mask_stt", ["unknown variant 'mask_stt'", "did you mean 'mask_st'?"]),
        ("benchmarks.nothing", ["benchmarks.nothing", "importable"]),
    ],
)
def test_an_unknown_variant_is_refused(name, words):
    with pytest.raises(UsageError) as refusal:
        variants.load(name)
    for word in words:
        assert word in str(refusal.value)


class Files(DataConfig):
    SOURCES = ("synthetic", "nih")


def test_data_root_is_an_absolute_folder(tmp_path, monkeypatch):
    (tmp_path / "x-rays").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Files(source="nih", root="x-rays").root == str(tmp_path / "x-rays")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "nih"}, ["data.source=nih", "data.root=FOLDER"]),
        ({"source": "nhi"}, ["data.source", "nhi", "did you mean 'nih'?"]),
        ({"bad_images": "drop"}, ["bad_images", "drop", "fatal"]),
    ],
)
def test_data_that_cannot_be_read_are_refused(given, words):
    with pytest.raises(UsageError) as refusal:
        Files.from_dict(given, prefix="data.")
    for word in words:
        assert word in str(refusal.value)


def test_a_seed_gives_the_same_variant_whatever_was_drawn_before():
    entry = variants.load("benchmarks.curves")
    weights = []
    for seed in (3, 3, 4):
        torch.rand(seed)
        weights.append(entry.build(entry.Config(), entry.Data(), seed=seed).modules()["weight"].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_root_that_is_not_there_is_named_when_the_data_are_needed():
    missing = Files.from_dict(
        {"source": "nih", "root": "/no/such"}, prefix="data."
    )  # a run is read back without its data
    with pytest.raises(UsageError, match=r"data\.root=/no/such is no folder"):
        missing.check()


@pytest.mark.parametrize(
    ("given", "kept"), [("w.pt", "/here/w.pt"), ("~/w.pt", f"{Path.home()}/w.pt"), ("timm", "timm"), ("none", "none")]
)
def test_a_file_of_weights_is_absolute_and_a_word_stays_a_word(monkeypatch, given, kept):
    monkeypatch.setattr(Path, "cwd", classmethod(lambda cls: cls("/here")))
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    assert variants.load("entropy_reg").Config(weights=given, backbone="densenet201").weights == kept


def test_the_export_to_begin_with_is_an_absolute_folder_for_a_trial_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = str(tmp_path / "export" / "x")
    assert TrainingConfig(init_from="export/x").init_from == expected
    assert TrainingConfig.convert("init_from", "export/x") == expected  # as a space keeps it for its trials
    assert TrainingConfig(init_from=expected).init_from == expected
    assert TrainingConfig(init_from="~/x").init_from == str(Path.home() / "x")
    assert TrainingConfig.convert("init_from", "none") is TrainingConfig(init_from="none").init_from is None


@pytest.mark.parametrize("name", [*variants.names(), "benchmarks.curves"])
def test_what_decides_the_weights_are_settings_of_the_variant(name):
    config = variants.load(name).Config
    assert set(config.ARCHITECTURE) <= set(config.names())
