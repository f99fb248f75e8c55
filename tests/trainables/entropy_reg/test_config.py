"""Settings of entropy_reg: what is refused and with which remedy, and what the defaults are."""

import subprocess
import sys

import pytest

from tests.support.repository import ROOT
from trainables.entropy_reg.config import Config, Data
from trainables.settings import UsageError


def test_the_defaults_are_the_published_model_without_the_regulariser():
    config = Config()
    assert (config.regulariser, config.has_entropy_weight) == ("none", False)
    assert (config.epochs, config.batch_size, config.lr, config.weight_decay) == (25, 4, 1e-3, 0.0)
    assert (config.image_size, config.shape, config.downsample) == (1024, "stretch", 2.0)
    assert (config.backbone, config.readout, config.history) == ("densenet201", "8-16", "none")
    assert config.sigma * 1024 == 32  # eight pixels of the image at a quarter of its size
    assert (config.centre_bias, config.centre_bias_weight) == ("kde", 1.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backbone": "tiny", "weights": "timm"}, "backbone=tiny has no pretrained weights: leave out weights=timm"),
        ({"backbone": "resnet18"}, "backbone=resnet18 needs layers=NAME,NAME"),
        ({"image_size": 100}, "image_size=100 is no multiple of 16: take 96"),
        ({"image_size": 16}, "image_size=16 is out of range: it takes 32 to 16384"),
        ({"regulariser": "dropout", "centre_bias": "uniform"}, "regulariser=dropout leaves out .* and centre_bias=uni"),
        ({"regulariser": "entropie"}, "did you mean 'entropy'"),
        ({"lambda_eff": -0.1}, "lambda_eff=-0.1 is out of range"),
        ({"compute_every": 0}, "compute_every=0 is out of range"),
        ({"n_uniform": 0}, "n_uniform=0 is out of range"),
        ({"centre_bias_dropout": 1.1}, "centre_bias_dropout=1.1 is out of range: it takes 0 to 1"),
        ({"spatial_share": 0.95}, "spatial_share=0.95 is out of range"),
        ({"sigma": 0.0}, "sigma=0 is out of range"),
        ({"readout": "32-64"}, "readout=32-64 is not possible"),
    ],
)
def test_what_a_training_cannot_be_is_refused_with_the_value_and_a_remedy(values, words):
    with pytest.raises(UsageError, match=words):
        Config(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fold": 10}, "fold=10 is not one of folds=10: take 0 to 9"),
        ({"folds": 4, "fold": 4}, "fold=4 is not one of folds=4: take 0 to 3"),
        ({"folds": 2}, "folds=2 is out of range"),
        ({"source": "fixations"}, "source=fixations reads files: say where with data.root=FOLDER"),
        ({"source": "mit300", "root": "/"}, "source=mit300 is not possible"),
        ({"crop": 0.2}, "crop=0.2 is out of range: it takes 0.3 to 1"),
        ({"bias": "left"}, "bias=left is not possible"),
        ({"probes": 1}, "probes=1 is out of range"),
    ],
)
def test_what_data_cannot_be_is_refused_too(values, words):
    with pytest.raises(UsageError, match=words):
        Data(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"backbone": "resnet18", "layers": "layer3,layer4"},
        {"backbone": "tiny"},
        {"image_size": 96},
        {"regulariser": "dropout"},
        {"regulariser": "entropy", "centre_bias": "uniform"},
    ],
)
def test_what_is_next_to_it_is_taken(values):
    Config(**values)


@pytest.mark.parametrize(
    ("values", "weighted"),
    [
        ({"regulariser": "entropy"}, True),
        ({"regulariser": "entropy", "lambda_eff": 0.0}, False),
        ({"lambda_eff": 3.0}, False),
        ({"regulariser": "dropout"}, False),
    ],
)
def test_the_term_has_a_weight_only_where_it_is_wanted_and_not_nothing(values, weighted):
    assert Config(**values).has_entropy_weight is weighted


@pytest.mark.parametrize(
    ("source", "first", "forced"),
    [
        ("mit1003", "auto", True),
        ("pysaliency", "auto", False),
        ("fixations", "auto", False),
        ("mit1003", "scored", False),
        ("fixations", "history", True),
    ],
)
def test_the_first_fixation_is_history_where_it_was_forced(source, first, forced):
    assert Data(source=source, root="/", first_fixation=first).first_is_history is forced
    assert Data(first_fixation="auto").first_is_history is False


def test_settings_scanpaths_and_synthetic_images_need_no_torch():
    code = """import sys
import trainables.entropy_reg.config, trainables.entropy_reg.data, trainables.entropy_reg.sources.synthetic
sys.exit(bool({'torch', 'timm', 'ray'} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
