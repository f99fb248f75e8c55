"""The networks, and whole micrographs by overlapping tiles."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from tests.support.tiny_micrographs import config
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.model import UNet, build_network, stride
from trainables.unet_selftrain.tiling import _starts, predict_image

CPU = torch.device("cpu")


def test_the_published_network_has_its_published_parameters():
    assert sum(each.numel() for each in build_network(Config(), CPU).parameters()) == 31_042_369


@pytest.mark.parametrize("levels", [1, 3])
def test_the_plain_network_gives_a_logit_for_every_pixel(levels):
    net = UNet(4, levels)
    assert net(torch.randn(2, 1, 16, 24)).shape == (2, 1, 16, 24)
    assert stride(config(levels=levels, tile=32)) == 2**levels


def test_every_parameter_of_the_plain_network_gets_a_gradient():
    net = UNet(4, 2)
    net(torch.randn(2, 1, 16, 16)).square().mean().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in net.parameters() if each.ndim > 1)


def test_an_encoder_of_timm_makes_a_network_that_trains_and_predicts():
    net = build_network(config(network="resnet10t", tile=32), CPU)
    logits = net(torch.randn(2, 1, 64, 32))
    assert logits.shape == (2, 1, 64, 32)
    logits.mean().backward()
    found = predict_image(net, torch.randn(70, 50), 64, stride(config(network="resnet10t", tile=32)))
    assert found.shape == (70, 50)


def test_a_network_of_which_no_u_net_can_be_made_is_refused():
    with pytest.raises(UsageError, match="network=resnet19 cannot be the encoder of a U-Net"):
        build_network(config(network="resnet19", tile=32), CPU)


@pytest.mark.parametrize("values", [{}, {"network": "resnet10t"}])
def test_an_untrained_network_gives_every_pixel_about_the_prior(values):
    images = torch.randn(4, 1, 64, 64)
    means = {}
    for prior in (0.5, 0.05):
        torch.manual_seed(0)
        means[prior] = build_network(config(prior=prior, tile=32, **values), CPU)(images).sigmoid().mean().item()
    assert means[0.05] < 0.15
    assert 0.3 < means[0.5] < 0.7


def test_an_encoder_takes_its_weights_from_a_file(tmp_path):
    trained = timm.create_model("resnet10t", num_classes=3)
    save_file(
        {key: value.contiguous() for key, value in trained.state_dict().items()}, tmp_path / "encoder.safetensors"
    )
    net = build_network(config(network="resnet10t", tile=32, weights=str(tmp_path / "encoder.safetensors")), CPU)
    torch.testing.assert_close(net.encoder.model.layer1[0].conv1.weight, trained.layer1[0].conv1.weight)


class Local(nn.Module):
    """Sees one pixel, so that no tiling can change what it says of it."""

    def forward(self, images):
        return 3 * images


class Edge(nn.Module):
    """Its probability is 1 near a tile's border and 0 inside."""

    def forward(self, images):
        logits = torch.full_like(images, -30.0)
        logits[..., :4, :] = logits[..., -4:, :] = logits[..., :, :4] = logits[..., :, -4:] = 30.0
        return logits


@pytest.mark.parametrize("shape", [(64, 64), (100, 37), (129, 64), (20, 200), (3, 3)])
def test_tiles_cover_every_pixel_once_in_weight(shape):
    image = torch.randn(shape)
    found = predict_image(Local(), image, 64, 8)
    torch.testing.assert_close(found, (3 * image).sigmoid())


def test_a_micrograph_that_fits_is_seen_at_once():
    torch.manual_seed(0)
    net = UNet(4, 2).eval()
    image = torch.randn(48, 40)
    with torch.no_grad():
        whole = net(image[None, None]).sigmoid()[0, 0]
    torch.testing.assert_close(predict_image(net, image, 64, 4), whole)


def test_tiles_give_nearly_what_the_whole_gives():
    torch.manual_seed(0)
    net = UNet(4, 2)
    with torch.no_grad():
        for _ in range(20):  # statistics of batch normalisation
            net(torch.randn(4, 1, 64, 64))
    image = torch.randn(200, 168)
    whole, tiled = predict_image(net, image, 256, 4), predict_image(net, image, 96, 4)
    assert (whole - tiled).abs().max() < 0.05 * (whole.max() - whole.min())


def test_where_tiles_overlap_their_borders_count_little():
    found = predict_image(Edge(), torch.zeros(160, 160), 64, 8)
    inside = found[8:-8, 8:-8]
    assert inside.max() < 0.25  # a plain mean of two tiles would say 0.5


@pytest.mark.parametrize(("whole", "side"), [(64, 64), (65, 64), (1000, 64), (976, 512)])
def test_tiles_reach_both_borders_and_overlap_by_a_quarter(whole, side):
    starts = _starts(whole, side)
    assert starts[0] == 0
    assert starts[-1] == whole - side
    assert (np.diff(starts) <= 0.75 * side).all()


def test_the_network_is_put_into_evaluation_mode_for_prediction():
    net = UNet(4, 2)
    net.train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    predict_image(net, torch.randn(32, 32), 64, 4)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
