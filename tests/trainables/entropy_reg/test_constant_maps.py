"""Maps that are constant up to rounding: none of it is enlarged, and nothing that is more than rounding is suppressed.

Rounding is put in by hand, so that no test needs a CPU whose convolutions round differently from cell to cell.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.support import tiny_gaze
from tests.support.gaze_networks import (
    SHAPES,
    SIZES,
    random_histories,
    random_inputs,
    random_maps,
    random_network,
    random_norm,
    random_numbers,
)
from trainables.entropy_reg import model, probes, scoring
from trainables.entropy_reg import normed as norms
from trainables.entropy_reg.backbones import exact_arithmetic, load_backbone
from trainables.entropy_reg.losses import entropy
from trainables.entropy_reg.model import DeepGaze, Scanpath
from trainables.entropy_reg.normed import NormedConv

VALUES = [1.7, 0.3, 1000.0, -3.1, 1e-5, 1e5]
OTHER_SHAPES = [*SHAPES, ((36, 36), 1.0), ((52, 44), 1.0), ((76, 100), 1.0)]


def with_rounding(maps: Tensor, seed: int = 5) -> Tensor:
    """Return each value moved by one unit in the last place down, up, or not at all."""
    ways = torch.randint(-1, 2, maps.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(ways == 0, maps, torch.nextafter(maps, ways * torch.inf))


def constant_features(features: list[Tensor]) -> list[Tensor]:
    return [feature.mean(dim=(2, 3), keepdim=True).expand_as(feature) for feature in features]


def error_of_uniform(log_density: Tensor) -> float:
    return (log_density + math.log(log_density[0, 0].numel())).abs().max().item()


@pytest.fixture
def rounding_convolutions(monkeypatch):
    """1 × 1 convolutions that round differently from cell to cell, as some CPUs' do, also in bf16."""
    convolve, generator = F.conv2d, torch.Generator().manual_seed(9)

    def rounding(maps: Tensor, weight: Tensor, *rest):
        result = convolve(maps, weight, *rest)
        if weight.shape[2:] != (1, 1):
            return result
        ways = torch.randint(-1, 2, result.shape, generator=generator)
        return result + (ways * torch.finfo(result.dtype).eps * result.abs()).to(result.dtype)

    monkeypatch.setattr(F, "conv2d", rounding)


@pytest.fixture
def unguarded(monkeypatch):
    """Call a function with nothing taken for rounding."""

    def call(function):
        with monkeypatch.context() as context:
            for module in (norms, model):
                context.setattr(module, "is_rounding", lambda low, *_: torch.zeros_like(low, dtype=torch.bool))
            return function()

    return call


# -- the norm ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("size", [(12, 16), (38, 50), (7, 11)])
@pytest.mark.parametrize("channels", [1, 3, 128])
@pytest.mark.parametrize("value", VALUES)
def test_of_a_constant_map_shift_and_bias_are_left(value, channels, size):
    layer, maps = random_norm(channels), torch.full((2, channels, *size), value)
    left = layer(torch.zeros_like(maps))
    assert torch.equal(left, layer._constant().expand_as(left))
    assert torch.equal(layer(maps), left)
    assert torch.equal(layer(with_rounding(maps)), left)


@torch.no_grad()
@pytest.mark.parametrize(("sizes", "grid"), SIZES)
def test_so_of_constant_maps_of_several_sizes(sizes, grid):
    maps = [with_rounding(torch.full_like(random_map, 0.7)) for random_map in random_maps(sizes)]
    layer = random_norm(sum(map.shape[1] for map in maps))
    assert torch.equal(layer.forward_together(maps, grid), layer._constant().expand(2, -1, *grid))


@torch.no_grad()
@pytest.mark.parametrize("value", [1.7, 0.3, 1000.0, -3.1, 1e5])
def test_one_cell_that_differs_by_more_than_rounding_is_normalised(value, unguarded):
    layer, maps = random_norm(1), torch.full((1, 1, 38, 50), value)
    maps[0, 0, 3, 4] *= 1 + 1e-5
    result = layer(maps)
    assert torch.equal(result, unguarded(lambda: layer(maps)))
    assert result[0, :, 3, 4].sub(result[0, :, 0, 0]).abs().max() > 0.01


@torch.no_grad()
def test_it_is_decided_for_each_image(unguarded):
    layer, maps = random_norm(3), random_numbers(4, 3, 12, 16)
    maps[1], maps[3] = 1.7, with_rounding(torch.full((3, 12, 16), 0.3))
    result, before = layer(maps), unguarded(lambda: layer(maps))
    for image in (0, 2):
        assert torch.equal(result[image], before[image])
    for image in (1, 3):
        assert torch.equal(result[image], layer._constant()[0].expand_as(result[image]))


@pytest.mark.parametrize("value", VALUES)
def test_gradients_at_constant_maps_are_finite_and_not_enlarged(value):
    layer = random_norm(1)
    maps = torch.stack(
        [torch.full((1, 12, 16), value), with_rounding(torch.full((1, 12, 16), value)), random_numbers(1, 12, 16)]
    )
    maps.requires_grad_()
    (layer(maps) * random_numbers(3, 6, 12, 16)).sum().backward()
    assert all(item.grad.isfinite().all() for item in (maps, *layer.parameters()))
    assert not maps.grad[:2].any()
    assert maps.grad[2].any()


# -- the density -------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("readout", ["8-16", "16-32"])
@pytest.mark.parametrize(("shape", "downsample"), OTHER_SHAPES)
def test_images_of_constant_features_have_a_uniform_density(shape, downsample, readout, seed):
    net = random_network(seed, readout=readout, downsample=downsample)
    features, _, bias = random_inputs(shape)
    flat = constant_features(features)
    for maps in (flat, [with_rounding(item) for item in flat]):
        assert error_of_uniform(net(maps, shape, torch.zeros_like(bias))) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("shape", "downsample"), OTHER_SHAPES)
def test_so_where_convolutions_round_differently_from_cell_to_cell(shape, downsample, seed, rounding_convolutions):
    net = random_network(seed, downsample=downsample)
    features, _, bias = random_inputs(shape)
    assert error_of_uniform(net(constant_features(features), shape, torch.zeros_like(bias))) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("bf16", [False, True])
def test_the_priority_of_constant_features_is_one_value_bit_for_bit(bf16, rounding_convolutions):
    """In bf16 a rounding is a share of 1/256, which is more than much of what is real."""
    features, _, _ = random_inputs()
    for seed in range(5):
        net = random_network(seed)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            result = net.readout(
                [with_rounding(constant_feature) for constant_feature in constant_features(features)], (12, 16)
            )
            selected = net.selection.priority(result)
        assert torch.equal(result, result[:, :, :1, :1].expand_as(result))
        assert torch.equal(selected, selected[:, :, :1, :1].expand_as(selected))


@torch.no_grad()
def test_other_images_of_the_batch_are_the_same_bit_for_bit(unguarded):
    net, (features, shape, bias) = random_network(), random_inputs(images=3)
    for feature, flat in zip(features, constant_features(features), strict=True):
        feature[1] = with_rounding(flat)[1]
    bias = torch.zeros_like(bias)
    result, before = net(features, shape, bias), unguarded(lambda: net(features, shape, bias))
    assert torch.equal(result[0], before[0])
    assert torch.equal(result[2], before[2])
    assert error_of_uniform(result[1:2]) < 1e-5 < error_of_uniform(before[1:2])


@pytest.mark.parametrize("values", [{}, {"history": "real"}])
def test_ordinary_images_and_their_gradients_are_the_same_bit_for_bit(values, unguarded):
    def computed() -> list[Tensor]:
        net = random_network(**values)
        result = net(*random_inputs(), random_histories() if values else None)
        (result * random_numbers(*result.shape, seed=11)).sum().backward()
        return [result.detach(), *(parameter.grad for parameter in net.parameters())]

    assert all(torch.equal(one, other) for one, other in zip(computed(), unguarded(computed), strict=True))


@pytest.mark.parametrize("history", [False, True])
def test_gradients_of_the_entropy_of_constant_images_are_finite(history):
    net, (features, shape, bias) = random_network(**({"history": "real"} if history else {})), random_inputs()
    inputs = random_histories() if history else None
    entropy(net(constant_features(features), shape, torch.zeros_like(bias), inputs)).sum().backward()
    reached = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    assert all(item.isfinite().all() for item in reached)
    assert max(entry.abs().max().item() for entry in net.readout.parameters() if entry.grad is not None) < 10


@torch.no_grad()
@pytest.mark.parametrize("grid", [(12, 16), (38, 50), (9, 16)])
def test_no_history_at_all_is_the_same_on_grids_of_any_size(grid):
    torch.manual_seed(3)
    part = Scanpath()
    result = part(torch.full((2, 4, 2), torch.nan), (4 * grid[0], 4 * grid[1]), grid)
    assert torch.equal(result, F.softplus(part.narrow._constant()).expand_as(result))


# -- what is more than rounding ----------------------------------------------------------------------------------------


def tiny_features(pixels, margin: int = 0) -> list[Tensor]:
    backbone = load_backbone(tiny_gaze.config())
    with exact_arithmetic():
        maps = [backbone(pixel, torch.device("cpu"), margin) for pixel in pixels]
    return [torch.stack(item) for item in zip(*maps, strict=True)]


def tiny_network(seed: int = 0) -> DeepGaze:
    torch.manual_seed(seed)
    return DeepGaze(
        [tiny_feature.shape[1] for tiny_feature in tiny_features(probes.texture(1, (48, 64), 0))], tiny_gaze.config()
    )


@torch.no_grad()
@pytest.mark.parametrize("kind", ["uniform", "texture"])
def test_what_padding_makes_of_images_of_one_colour_is_left_as_it_is(kind, unguarded):
    make = {"uniform": probes.uniform_held_out, "texture": probes.texture}[kind]
    features, net = tiny_features(make(4, (48, 64), 0)), tiny_network()
    result = net(features, (48, 64), torch.zeros(4, 12, 16))
    assert torch.equal(result, unguarded(lambda: net(features, (48, 64), torch.zeros(4, 12, 16))))
    assert (math.log2(48 * 64) - entropy(result)).min() > 2e-4


@torch.no_grad()
def test_one_level_of_one_pixel_is_more_than_rounding():
    """Mirrored beyond its border, an image of one colour shows nothing, but for the one value that is changed."""
    pixels = probes.uniform_held_out(1, (48, 64), 0).repeat(2, axis=0)
    pixels[1, 20, 30, 0] ^= 1
    result = tiny_network()(tiny_features(pixels, 64), (48, 64), torch.zeros(2, 12, 16))
    assert error_of_uniform(result[:1]) < 1e-5
    assert error_of_uniform(result[1:]) > 1e-3


def test_a_layer_norm_s_epsilon_is_the_published_one():
    """A larger one would be a simpler mend, and another model: small maps would be other maps."""
    maps = 1e-4 * random_numbers(1, 1, 12, 16)
    expected = F.conv2d(F.layer_norm(maps, maps.shape[1:], eps=1e-12), (layer := NormedConv(1, 6)).conv.weight)
    torch.testing.assert_close(layer(maps), expected + layer._constant(), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("shape", "downsample"), [((96, 128), 1.5), ((300, 400), 2.0), ((768, 1024), 2.0)])
def test_a_density_that_is_uniform_up_to_rounding_is_flat_to_its_figures(
    shape, downsample, seed, rounding_convolutions
):
    """Otherwise NSS and CC would be those of the rounding, in deviations of it."""
    net = random_network(seed, downsample=downsample)
    features, _, bias = random_inputs(shape)
    for density in net(constant_features(features), shape, torch.zeros_like(bias))[:, 0].numpy():
        assert not scoring.nss(density, np.arange(density.size)).any()
        assert scoring.cc(density, scoring.blur_fixations(np.arange(3), density.shape, 0.05)) == 0
