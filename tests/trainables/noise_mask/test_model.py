"""The classifier of timm, its normalisation, and batch-norm statistics that are estimated anew."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from trainables.noise_mask.config import Config
from trainables.noise_mask.model import Standardisation, build_classifier, recalibrate
from trainables.settings import UsageError

CPU = torch.device("cpu")


def config(**values) -> Config:
    return Config(**{"image_size": 32, "backbone": "test_resnet", "grid": 8, **values})


def images(count: int = 24, seed: int = 0, contrast: float = 1.0) -> torch.Tensor:
    return contrast * torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def net() -> nn.Module:
    torch.manual_seed(0)
    return build_classifier(config(), 3)


def norms(network: nn.Module) -> list[nn.Module]:
    return [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]


def statistics(network: nn.Module) -> torch.Tensor:
    return torch.cat([torch.cat([each.running_mean, each.running_var]) for each in norms(network)])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_classifier_has_a_logit_for_every_class(channels):
    network = build_classifier(config(channels=channels), 5).eval()
    assert network(torch.zeros(2, channels, 32, 32)).shape == (2, 5)


def test_weights_that_are_no_file_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"weights=.*none\.safetensors is no file"):
        build_classifier(config(weights=str(tmp_path / "none.safetensors")), 3)


def test_normalised_images_have_the_training_mean_at_zero_and_its_deviation_at_one():
    pixels = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    standard = Standardisation(pixels.mean().item(), pixels.std().item())
    normal = standard(pixels)
    assert normal.dtype == torch.float32
    assert normal.mean().item() == pytest.approx(0, abs=1e-6)
    assert normal.std().item() == pytest.approx(1, abs=1e-6)


def test_the_normalisation_is_saved_with_the_weights_and_not_trained():
    standard = Standardisation(0.3162, 0.3213)
    assert {name: tuple(value.shape) for name, value in standard.state_dict().items()} == {"mean": (1,), "std": (1,)}
    assert list(standard.parameters()) == []
    other = Standardisation()
    other.load_state_dict(standard.state_dict())
    torch.testing.assert_close(other(torch.ones(1)), torch.tensor([(1 - 0.3162) / 0.3213]))


def test_statistics_are_those_of_the_whole_pass():
    """Of the first norm by hand: what goes into it is known without it."""
    network = net().train()
    first, inputs = norms(network)[0], []
    first.register_forward_pre_hook(lambda module, given: inputs.append(given[0].detach().double()))
    recalibrate(network, images().split(8), CPU)
    whole = torch.cat(inputs).transpose(0, 1).flatten(1).numpy()  # [channels, all values]
    np.testing.assert_allclose(first.running_mean, whole.mean(axis=1), rtol=1e-4, atol=1e-6)
    each = [part.transpose(0, 1).flatten(1).numpy().var(axis=1, ddof=1) for part in inputs]
    np.testing.assert_allclose(first.running_var, np.mean(each, axis=0), rtol=1e-4)
    np.testing.assert_allclose(first.running_var, whole.var(axis=1), rtol=0.02)  # means of batches differ a little
    assert len(inputs) == 3


def test_in_one_batch_evaluation_sees_what_training_did_in_every_norm():
    network, inputs_of_norms = net().train(), []
    for each in norms(network):
        each.register_forward_pre_hook(lambda module, given: inputs_of_norms.append(given[0].detach().double()))
    recalibrate(network, [images()], CPU)
    assert len(inputs_of_norms) == len(norms(network)) > 2
    for each, given in zip(norms(network), inputs_of_norms, strict=True):
        flat = given.transpose(0, 1).flatten(1)
        torch.testing.assert_close(each.running_mean.double(), flat.mean(dim=1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(each.running_var.double(), flat.var(dim=1), rtol=1e-4, atol=1e-5)


def test_statistics_do_not_depend_on_those_before():
    fresh, used = net(), net().train()
    for _ in range(3):
        used(images(seed=5, contrast=7.0))
    assert not torch.allclose(statistics(fresh), statistics(used))
    for each in (fresh, used):
        recalibrate(each, images().split(8), CPU)
    torch.testing.assert_close(statistics(used), statistics(fresh), rtol=0, atol=0)


def test_after_half_contrast_a_network_scores_as_its_twin_on_full_contrast():
    """The same weights, with statistics that came of themselves in training: their running means have settled."""

    @torch.no_grad()
    def settled(contrast: float) -> nn.Module:
        network = net().train()
        for _ in range(120):  # 0.9¹²⁰ of what was there at first is left
            network(images(contrast=contrast))
        return network

    @torch.no_grad()
    def scores(network: nn.Module) -> torch.Tensor:
        return copy.deepcopy(network).eval()(images(seed=9))

    heated, plain = settled(0.5), settled(1.0)
    spread = scores(plain).std().item()
    assert (scores(heated) - scores(plain)).abs().max().item() > 0.1 * spread
    recalibrate(heated, [images()], CPU)
    torch.testing.assert_close(scores(heated), scores(plain), rtol=0, atol=1e-3 * spread)


def test_no_weight_and_no_gradient_changes():
    network = net()
    before = copy.deepcopy(dict(network.named_parameters()))
    recalibrate(network, images().split(8), CPU)
    for name, each in network.named_parameters():
        assert torch.equal(each, before[name])
        assert each.requires_grad
        assert each.grad is None


def test_modes_and_momenta_stay_as_they_were_module_by_module():
    network = net().eval()
    norms(network)[0].train()
    modes = [each.training for each in network.modules()]
    momenta = [each.momentum for each in norms(network)]
    assert any(modes)
    assert not all(modes)
    recalibrate(network, images().split(8), CPU)
    assert [each.training for each in network.modules()] == modes
    assert [each.momentum for each in norms(network)] == momenta


def test_the_global_generator_is_left_alone():
    network = net()
    before = torch.get_rng_state()
    recalibrate(network, images().split(8), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_without_batch_norm_draws_no_batches():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(1024, 3))
    batches = iter(images().split(8))
    recalibrate(plain, batches, CPU)
    assert len(list(batches)) == 3
