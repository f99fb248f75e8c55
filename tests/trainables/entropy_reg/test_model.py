"""The network: what it computes against the same written plainly, what a history does, and where gradients go."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from tests.support.gaze_networks import (
    SHAPES,
    SIZES,
    plain_norm,
    random_histories,
    random_inputs,
    random_maps,
    random_network,
    random_numbers,
)
from tests.support.tiny_gaze import config
from trainables.entropy_reg.losses import entropy
from trainables.entropy_reg.model import DeepGaze, Readout

LEAST = 0.05  # cells that are blurred in any case


# -- the same, written plainly, for one image and one history ----------------------------------------------------------


def plain_readout(readout: Readout, features: list[Tensor], grid) -> Tensor:
    maps = torch.cat([F.interpolate(feature, size=grid, mode="nearest") for feature in features], dim=1)
    for layer in readout.layers:
        maps = F.softplus(plain_norm(layer, maps))
    return maps


def plain_scanpath(part, history: Tensor, shape, grid) -> Tensor:
    """Compute the density on maps of every pixel, thinned afterwards, with the slots of the history that are filled."""
    height, width = shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    total = torch.zeros(1, 128, *grid)
    for slot in range(4):
        if not history[slot].isnan().any():
            right, down = x - history[slot, 0], y - history[slot, 1]
            maps = torch.stack([right, down, (right**2 + down**2).sqrt()])[None] / max(height, width)
            total = total + part.slots[slot](F.interpolate(maps, size=grid, mode="nearest"))
    return F.softplus(plain_norm(part.narrow, F.softplus(total)))


def plain_density(net: DeepGaze, features, shape, centre_bias: Tensor, history: Tensor | None = None) -> np.ndarray:
    """Compute the log-density of one image, float64 `[h, w]`; the blur is SciPy's."""
    grid = tuple(math.ceil(side / net.downsample / 4) for side in shape)
    part, size = net.selection, centre_bias.shape
    total = plain_norm(part.priority, plain_readout(net.readout, features, grid))
    if history is not None:
        total = total + plain_norm(part.scanpath, plain_scanpath(net.scanpath, history, shape, grid))
    out = part.out(F.softplus(plain_norm(part.narrow, F.softplus(total))))
    out = F.interpolate(out, size=size, mode="bilinear", align_corners=False)[0, 0].double().numpy()
    sigma = math.hypot(math.exp(net.finaliser.log_sigma) * max(size), LEAST)
    blurred = ndimage.gaussian_filter(out, sigma, mode="nearest", radius=math.ceil(3 * sigma))
    total = blurred + net.finaliser.centre_bias_weight.item() * centre_bias.double().numpy()
    return total - np.log(np.exp(total - total.max()).sum()) - total.max()


@torch.no_grad()
@pytest.mark.parametrize(("shape", "downsample"), SHAPES)
@pytest.mark.parametrize("values", [{}, {"history": "real", "readout": "16-32", "centre_bias_weight": 0.6}])
def test_the_density_is_that_of_the_network_written_plainly(shape, downsample, values):
    net = random_network(downsample=downsample, sigma=0.02, **values)
    features, _, bias = random_inputs(shape)
    history = random_histories(2, shape) if "history" in values else None
    if history is not None:
        history[0, 0, 2:] = torch.nan
    result = net(features, shape, bias, history)
    assert result.shape == (2, 2 if history is not None else 1, shape[0] // 4, shape[1] // 4)
    for image in range(2):
        one = [feature[image : image + 1] for feature in features]
        for index in range(result.shape[1]):
            expected = plain_density(net, one, shape, bias[image], None if history is None else history[image, index])
            np.testing.assert_allclose(result[image, index].numpy(), expected, atol=2e-4)


# -- a density ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize(("shape", "downsample"), [*SHAPES, ((768, 1024), 2.0)])
@pytest.mark.parametrize("history", [False, True])
def test_its_exponential_sums_to_one(shape, downsample, history):
    net = random_network(downsample=downsample, **({"history": "real"} if history else {}))
    features, _, bias = random_inputs(shape)
    result = net(features, shape, 5 * bias, random_histories(2, shape) if history else None)
    assert result.dtype == torch.float32
    sums = result.double().exp().sum(dim=(2, 3))
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("shape", "downsample"), [((48, 64), 1.0), ((300, 400), 2.0), ((400, 300), 2.0)])
def test_a_constant_priority_without_centre_bias_is_uniform(shape, downsample):
    net = random_network(downsample=downsample)
    features, _, bias = random_inputs(shape)
    flat = [feature.mean(dim=(2, 3), keepdim=True).expand_as(feature) for feature in features]
    result = net(flat, shape, torch.full_like(bias, -3.0))
    torch.testing.assert_close(result, torch.full_like(result, -math.log(result[0, 0].numel())), atol=1e-5, rtol=0)
    bits = math.log2(shape[0] * shape[1])
    torch.testing.assert_close(entropy(result), torch.full((2, 1), bits), atol=1e-5, rtol=0)


@torch.no_grad()
def test_it_is_in_float32_under_autocast():
    net = random_network(history="real")
    with torch.autocast("cpu", torch.bfloat16):
        result = net(*random_inputs(), random_histories())
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.exp().sum(dim=(2, 3)), torch.ones(2, 3), atol=2e-6, rtol=0)


@torch.no_grad()
def test_no_image_has_no_density():
    """A process may have none of three uniform images."""
    net = random_network(history="real")
    features, shape, bias = random_inputs()
    for history in (None, random_histories(1)):
        result = net(
            [feature[:0] for feature in features], shape, bias[:0], history if history is None else history[:0]
        )
        assert result.shape == (0, 1, 12, 16)


# -- small maps --------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize(("sizes", "grid"), SIZES)
def test_the_readout_of_small_maps_is_that_of_enlarged_maps(sizes, grid):
    readout = random_network().readout if len(sizes) == 2 else Readout((5, 8, 16, 1))
    features = random_maps(sizes)
    result = readout(features, grid)
    assert result.shape == (2, 1, *grid)
    torch.testing.assert_close(result, plain_readout(readout, features, grid), atol=1e-5, rtol=1e-5)


def test_the_published_network_has_its_number_of_parameters():
    """About 29,700: 1,888 + 128 + 32 channels, history of four fixations."""
    net = DeepGaze((1888, 128, 32), config(history="real", readout="8-16"))
    assert sum(parameter.numel() for parameter in net.parameters()) == 29_741


# -- blur and centre bias ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 1, 12, 16), (2, 16, 12), (2, 48, 64), (12, 16), (2, 12, 1), (2, 192)])
def test_a_centre_bias_of_another_shape_is_refused(shape):
    """The published finaliser takes [B, 1, H, W] for images of 1 × H."""
    features, size, _ = random_inputs()
    with pytest.raises(ValueError, match=r"centre_bias has shape \[" + ", ".join(map(str, shape))):
        random_network()(features, size, torch.zeros(shape))


# -- history -----------------------------------------------------------------------------------------------------------


def test_a_history_for_the_spatial_model_is_refused():
    with pytest.raises(ValueError, match="spatial model"):
        random_network()(*random_inputs(), random_histories())


@torch.no_grad()
def test_a_slot_without_fixation_does_nothing():
    """Whatever that slot's weights are; one whose x or y alone is known does nothing either."""
    for gap in ((0, 0), (2, slice(None)), (3, 1)):
        net, other = random_network(history="real"), random_network(history="real")
        for parameter in other.scanpath.slots[gap[0]].parameters():
            parameter.add_(1.0)
        history = random_histories()
        assert not torch.equal(net(*random_inputs(), history), other(*random_inputs(), history))
        history[:, :, gap[0], gap[1]] = torch.nan
        assert torch.equal(net(*random_inputs(), history), other(*random_inputs(), history))


@torch.no_grad()
def test_gaps_equal_a_shorter_history():
    """With the last slots' networks taken out, rather than their fixations."""
    net = random_network(history="real")
    history = random_histories()
    full_history = random_histories()
    history[:, :, 2:] = torch.nan
    result = net(*random_inputs(), history)
    for slot in (2, 3):
        for parameter in net.scanpath.slots[slot].parameters():
            parameter.zero_()
    torch.testing.assert_close(result, net(*random_inputs(), full_history), atol=1e-6, rtol=0)


@pytest.mark.parametrize("every", [True, False])
def test_rows_without_any_history_are_finite_forward_and_backward(every):
    net = random_network(history="real")
    history = random_histories()
    history[(slice(None) if every else 0)] = torch.nan
    result = net(*random_inputs(), history)
    assert result.isfinite().all()
    result[..., 3, 4].sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@torch.no_grad()
def test_the_order_of_the_fixations_before_matters():
    net, history = random_network(history="real"), random_histories()
    assert (net(*random_inputs(), history) - net(*random_inputs(), history.flip(2))).abs().max() > 1e-3


@torch.no_grad()
def test_where_the_eye_was_matters():
    net, history = random_network(history="real"), random_histories()
    result = net(*random_inputs(), history)
    for slot in range(4):
        moved = history.clone()
        moved[:, :, slot, 0] += 9
        assert (net(*random_inputs(), moved) - result).abs().amax(dim=(2, 3)).min() > 1e-4


@torch.no_grad()
def test_fixations_together_are_what_they_are_one_at_a_time():
    net, history = random_network(history="real"), random_histories(5)
    history[1, 2, 1:], history[1, 3] = torch.nan, torch.nan
    result = net(*random_inputs(), history)
    for index in range(5):
        alone = net(*random_inputs(), history[:, index : index + 1])
        torch.testing.assert_close(result[:, index : index + 1], alone, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("history", [False, True])
def test_images_together_are_what_they_are_alone(history):
    net = random_network(**({"history": "real"} if history else {}))
    features, shape, bias = random_inputs(images=3)
    inputs = random_histories(2, images=3) if history else None
    result = net(features, shape, bias, inputs)
    for image in range(3):
        row = slice(image, image + 1)
        alone = net([feature[row] for feature in features], shape, bias[row], inputs if inputs is None else inputs[row])
        torch.testing.assert_close(result[row], alone, atol=1e-5, rtol=0)


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, {"history": "real"}, {"history": "real", "readout": "16-32"}])
def test_every_trained_parameter_of_every_part_gets_a_gradient(values):
    """More than what rounding leaves of one that is zero."""
    net = random_network(**values)
    result = net(*random_inputs(), random_histories() if net.scanpath else None)
    (result * random_numbers(*result.shape, seed=11)).sum().backward()
    assert set(net.parts()) == {"readout", "selection", "finaliser"} | ({"scanpath"} if "history" in values else set())
    assert {id(parameter) for part in net.parts().values() for parameter in part.parameters()} == set(
        map(id, net.parameters())
    )
    reached = {
        f"{part}.{name}": 0.0 if item.grad is None else item.grad.abs().max().item()
        for part, module in net.parts().items()
        for name, item in module.named_parameters()
        if item.requires_grad
    }
    assert {name: size for name, size in reached.items() if not size > 1e-4} == {}


def test_the_spatial_stage_of_a_scanpath_model_leaves_the_scanpath_network_alone():
    net = random_network(history="real")
    net(*random_inputs())[..., 3, 4].sum().backward()
    assert all(parameter.grad is None for parameter in net.scanpath.parameters())
    assert all(item.grad is not None for item in net.readout.parameters())


@torch.no_grad()
def test_the_spatial_stage_equals_the_spatial_model():
    both, spatial = random_network(history="real"), random_network()
    result = both(*random_inputs())
    spatial.load_state_dict({name: item for name, item in both.state_dict().items() if name in spatial.state_dict()})
    assert torch.equal(result, spatial(*random_inputs()))
