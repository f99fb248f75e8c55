"""Weights of a file into modules, and `init_from`: a training that begins where another one ended."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.support.linear import linear_loop
from tests.support.loops import timeless
from trainables.base_config import TrainingConfig
from trainables.files import WEIGHTS
from trainables.settings import UsageError
from trainables.stages import Stage
from trainables.training.weights import load_modules, parameter_groups


@pytest.fixture
def export(tmp_path):
    """Write a folder with the weights of a linear model after two epochs; returns it with their validation metrics."""
    loop = linear_loop(epochs=2)
    loop.run_epoch()
    loop.run_epoch()
    folder = tmp_path / "export"
    folder.mkdir()
    save_file(loop.weights(), folder / WEIGHTS)
    return folder, loop.variant.evaluate("val"), loop.variant.weight


def test_modules_get_the_weights_of_their_own_name(tmp_path):
    saved = {name: nn.Linear(2, 2) for name in ("net", "network")}
    tensors = {f"{name}.{key}": value for name, each in saved.items() for key, value in each.state_dict().items()}
    save_file(tensors, tmp_path / WEIGHTS)
    modules = {name: nn.Linear(2, 2) for name in ("network", "net")}
    load_modules(tmp_path / WEIGHTS, modules)
    for name, module in modules.items():
        assert torch.equal(module.weight, saved[name].weight)
        assert torch.equal(module.bias, saved[name].bias)


def test_a_training_begins_with_the_exports_weights_whatever_its_seed(export):
    folder, evaluated, weight = export
    begun = [linear_loop(init_from=str(folder), seed=seed).variant for seed in (0, 1)]
    for variant in begun:
        assert torch.equal(variant.weight, weight)
        assert variant.evaluate("val") == evaluated
    alone = [linear_loop(seed=seed).variant.weight for seed in (0, 1)]
    assert not torch.equal(*alone)


def test_the_first_report_of_a_training_that_does_not_move_is_the_exports(export):
    folder, evaluated, _ = export
    report = linear_loop(init_from=str(folder), lr=0.0).run_epoch()
    assert report["val/mse"] == evaluated["mse"]


def test_a_stage_that_goes_back_to_the_first_weights_goes_back_to_the_exports(export):
    folder, _, weight = export
    parts = (Stage("a", 1), Stage("b", 2, first_weights=True))
    loop = linear_loop(init_from=str(folder), seed=1, epochs=2, parts=parts)
    loop.run_epoch()
    met = []
    loop.optimizer.register_step_pre_hook(lambda *_: met.append(loop.variant.weight))
    loop.run_epoch()
    assert torch.equal(met[0], weight)
    assert not torch.equal(met[1], weight)


def test_a_resumed_training_goes_on_with_its_own_weights(export):
    settings = {"init_from": str(export[0]), "epochs": 3, "noise": 0.5}
    straight = linear_loop(**settings)
    expected = [timeless(straight.run_epoch()) for _ in range(3)]
    stopped = linear_loop(**settings)
    stopped.run_epoch()
    resumed = linear_loop(**settings)
    resumed.load_state(stopped.state())
    assert torch.equal(resumed.variant.weight, stopped.variant.weight)
    assert [timeless(resumed.run_epoch()) for _ in range(2)] == expected[1:]


def missing(path):
    path.unlink()


def damaged(path):
    path.write_bytes(b"half a file")


def other_shape(path):
    save_file({"model.1.weight": torch.zeros(1, 5), "model.1.bias": torch.zeros(1)}, path)


def other_names(path):
    save_file({"net.weight": torch.zeros(1, 4)}, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, "No such file"),
        (damaged, "header"),
        (other_shape, "size mismatch for 1.weight"),
        (other_names, "Missing key"),
    ],
)
def test_weights_that_do_not_fit_are_one_sentence(export, spoil, words):
    folder = export[0]
    spoil(folder / WEIGHTS)
    with pytest.raises(UsageError) as refusal:
        linear_loop(init_from=str(folder))
    sentence = str(refusal.value)
    assert sentence.startswith(f"init_from: {folder / WEIGHTS} does not give the weights of this model: ")
    assert words.lower() in sentence.lower()
    assert "give an export" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_learning_rate_of_a_network_that_there_is_not_is_refused():
    networks = {"net": torch.nn.Linear(2, 1)}
    assert parameter_groups(networks, TrainingConfig(lr=0.1), {"net": 5.0})[0]["lr"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="nett"):
        parameter_groups(networks, TrainingConfig(), {"nett": 5.0})
