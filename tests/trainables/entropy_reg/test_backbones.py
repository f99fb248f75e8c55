"""The frozen backbone: what it sees, which layers are read, and the same numbers whoever computes them."""

import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.support.tiny_gaze import config
from trainables.entropy_reg import backbones
from trainables.entropy_reg.backbones import Backbone, exact_arithmetic
from trainables.settings import UsageError

CPU = torch.device("cpu")
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, for values of 0 to 1
PUBLISHED = (1888, 128, 32)


def tiny(layers: str = "auto", downsample: float = 1.0) -> Backbone:
    return Backbone("tiny", "none", layers, downsample)


@pytest.fixture(scope="module")
def densenet() -> Backbone:
    return backbones.backbone("densenet201", "none", "auto", 1.0)


def numbered(seed: int = 0, shape=(48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def seen_by_the_first_layer(backbone: Backbone, image: np.ndarray, margin: int = 0) -> Tensor:
    """Compute the input of the network, `[C, H, W]`."""
    result = []
    handle = backbone._network[0].register_forward_pre_hook(lambda _, values: result.append(values[0][0]))
    backbone(image, CPU, margin)
    handle.remove()
    return result[0]


def test_pixels_are_divided_by_255_and_normalised_once():
    """Twice, all images were next to the same dark one."""
    image = numbered()
    expected = ((image / 255 - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(seen_by_the_first_layer(tiny(), image).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("level", "low", "high"), [(0, -2.2, -1.7), (255, 2.2, 2.7)])
def test_black_and_white_are_far_apart(level, low, high):
    result = seen_by_the_first_layer(tiny(), np.full((48, 64, 3), level, np.uint8))
    assert low < result.min() <= result.max() < high


@pytest.mark.parametrize(("downsample", "shape"), [(2.0, (24, 32)), (1.5, (32, 42)), (4.0, (12, 16))])
def test_the_image_is_made_smaller_by_taking_every_so_many_th_pixel(downsample, shape):
    image = numbered()
    result = seen_by_the_first_layer(tiny(downsample=downsample), image)
    assert result.shape == (3, *shape)
    rows, columns = (np.arange(n) * side // n for n, side in zip(shape, image.shape, strict=False))
    expected = ((image[rows][:, columns] / 255 - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)


def test_the_margin_mirrors_the_image():
    image = numbered()
    wide = np.pad(image, ((20, 20), (20, 20), (0, 0)), mode="reflect")
    expected = ((wide / 255 - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(seen_by_the_first_layer(tiny(), image, 20).numpy(), expected, atol=1e-5)


def test_a_margin_wider_than_the_image_is_mirrored_again():
    image = numbered(shape=(16, 20))
    result = seen_by_the_first_layer(tiny(), image, 40)
    assert result.shape == (3, 96, 100)
    middle = result[:, 40:56, 40:60].numpy()
    np.testing.assert_allclose(middle, ((image / 255 - MEAN) / STD).transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("downsample", [1.0, 2.0])
def test_with_a_margin_the_maps_of_a_uniform_image_are_constant_and_without_they_are_not(downsample):
    image = np.full((48, 64, 3), 200, np.uint8)
    plain, wide = (tiny(downsample=downsample)(image, CPU, margin) for margin in (0, 64))
    assert [item.shape for item in plain] == [entry.shape for entry in wide]
    for one, other in zip(plain, wide, strict=True):
        assert one.flatten(1).std(dim=1).max() > 1e-3
        assert other.flatten(1).std(dim=1).max() < 1e-6


def test_the_margin_s_part_of_the_maps_is_cut_off():
    """What is left is of the image: far from the borders the maps are those without a margin."""
    image = numbered(shape=(128, 160))
    plain, wide = (tiny("1")(image, CPU, margin)[0] for margin in (0, 64))
    torch.testing.assert_close(plain[:, 4:-4, 4:-4], wide[:, 4:-4, 4:-4], atol=1e-5, rtol=1e-5)


def test_the_published_layers_have_their_channels_and_the_first_is_before_the_rectifier(densenet):
    maps = densenet(numbered(shape=(64, 64)), CPU)
    assert [map.shape for map in maps] == [(channels, 2, 2) for channels in PUBLISHED]
    assert all(item.dtype == torch.float32 for item in maps)
    assert (maps[0] < 0).float().mean() > 0.1


def test_the_published_layers_are_those_of_the_network_run_step_by_step(densenet):
    network, image = densenet._network, numbered(shape=(64, 64))
    values = torch.from_numpy(((image / 255 - MEAN) / STD).transpose(2, 0, 1)[None]).float()
    with torch.no_grad():
        for name, part in network.features.named_children():
            if name == "denseblock4":
                break
            values = part(values)
        stored = [values]
        for number in range(1, 33):
            layer = part[f"denselayer{number}"]
            norm = layer.norm1
            before = torch.cat(stored, dim=1)
            rest = F.batch_norm(before, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
            inner = layer.conv1(F.relu(rest))
            stored.append(layer.conv2(layer.norm2(inner)))
    for result, expected in zip(densenet(image, CPU), (rest[0], inner[0], stored[-2][0]), strict=True):
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


def test_a_layer_s_maps_are_kept_as_they_were_when_it_was_done(monkeypatch):
    """What follows may work in place."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    monkeypatch.setattr(backbones, "_tiny", lambda: network)
    assert (tiny("0")(numbered(), CPU)[0] < 0).any()


def test_layers_come_in_the_order_asked_for():
    one, other = tiny("1, 3")(numbered(), CPU), tiny("3,1")(numbered(), CPU)
    assert same(one, other[::-1])
    assert one[0].shape != other[0].shape


def test_the_backbone_rests():
    result = tiny()
    assert not result._network.training
    assert not any(parameter.requires_grad for parameter in result._network.parameters())
    assert not any(item.requires_grad for item in result(numbered(), CPU))


def test_random_weights_are_always_the_same_and_draw_nothing_from_training():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = tiny()
    assert torch.equal(torch.rand(3), expected)
    assert first.digest == tiny().digest
    assert same(first(numbered(), CPU), tiny()(numbered(), CPU))


def test_threads_that_look_at_several_images_at_once_do_not_mix_them_up():
    backbone, pictures = tiny(), [numbered(seed) for seed in range(8)]
    expected = [backbone(picture, CPU) for picture in pictures]
    wrong = []

    def work(index: int) -> None:
        for _ in range(20):
            if not same(backbone(pictures[index], CPU), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for item in threads:
        item.join()
    assert not wrong


def test_exact_arithmetic_is_on_one_thread_and_gives_the_others_back():
    torch.set_num_threads(3)
    with exact_arithmetic():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with pytest.raises(KeyError), exact_arithmetic():
        raise KeyError
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backbone": "resnet10t", "layers": "layer3,fc"}, r"layers: fc of backbone=resnet10t gives \[1000\]"),
        ({"backbone": "resnet10t", "layers": "bn1,layer4", "image_size": 32, "downsample": 4.0}, None),
        (
            {"backbone": "densenet201", "image_size": 32, "downsample": 4.0},
            "gives no maps of an image of 32×24 pix",
        ),
    ],
)
def test_a_layer_without_maps_is_told_of_before_any_are_computed(values, words):
    size = values.get("image_size", 64)
    image = numbered(shape=(size * 3 // 4, size))
    if words is None:
        backbones.check_layers(config(**values), image)
        return
    with pytest.raises(UsageError, match=words):
        backbones.check_layers(config(**values), image)
