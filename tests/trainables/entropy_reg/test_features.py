"""The frozen backbone and its kept maps: the same numbers whoever computes them, once, and for the right pixels."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.tiny_gaze import config, data, stimuli
from trainables.entropy_reg import backbones, features
from trainables.entropy_reg.backbones import Backbone
from trainables.entropy_reg.split import Stimuli
from trainables.settings import UsageError

CPU = torch.device("cpu")
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, for values of 0 to 1
PUBLISHED = (1888, 128, 32)


def tiny(layers: str = "auto", downsample: float = 1.0) -> Backbone:
    return Backbone("tiny", "none", layers, downsample)


@pytest.fixture
def images() -> Stimuli:
    return stimuli(((48, 64),) * 5)


def numbered(seed: int = 0, shape=(48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def folders(cache: Path) -> set[str]:
    return {item.name for item in cache.glob("features-*") if item.is_dir()}


# -- layers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backbone": "resnet19", "layers": "a"}, "backbone=resnet19 is no model of timm"),
        ({"layers": "1,9"}, "backbone=tiny has no module 9; at its top are 0, 1, 2, 3"),
        ({"backbone": "resnet10t", "layers": "layer9"}, "backbone=resnet10t has no module layer9; .* layer1"),
        (
            {"backbone": "resnet10t", "layers": "layer3", "weights": "/no/such.safetensors"},
            "such.safetensors is no file",
        ),
    ],
)
def test_a_backbone_that_there_is_not_is_refused_in_one_sentence(tmp_path, images, values, words):
    with pytest.raises(UsageError, match=words) as caught:
        features.prepare_features(config(**values), data(tmp_path), [images])
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert not folders(tmp_path)


# -- the same numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("downsample", [1.0, 2.0])
def test_kept_maps_are_the_live_ones_bit_for_bit(tmp_path, images, threads, downsample):
    settings = config(downsample=downsample)
    torch.set_num_threads(threads)
    stored = features.split_features(settings, data(tmp_path), images, CPU)
    torch.set_num_threads(5 - threads)
    live = features.split_features(settings, data(tmp_path, features="live"), images, CPU)
    for indices in ([0, 1, 2, 3, 4], [4, 2, 2], [3], [1, 0]):
        assert same(stored(indices), live(indices))
    assert torch.get_num_threads() == 5 - threads


@pytest.mark.parametrize("threads", [1, 2])
def test_those_of_densenet201_are_too(tmp_path, threads):
    settings, pictures = config(backbone="densenet201"), stimuli(((64, 64),) * 3)
    torch.set_num_threads(threads)
    stored = features.split_features(settings, data(tmp_path), pictures, CPU)
    torch.set_num_threads(3 - threads)
    live = features.split_features(settings, data(tmp_path, features="live"), pictures, CPU)
    result = stored([2, 0, 1])
    assert [item.shape for item in result] == [(3, channels, 2, 2) for channels in PUBLISHED]
    assert same(result, live([2, 0, 1]))
    for row, index in enumerate([2, 0, 1]):
        assert same([entry[row : row + 1] for entry in result], live([index]))


def test_images_of_several_shapes_have_their_own_maps(tmp_path):
    pictures = stimuli(((48, 64), (64, 48), (48, 64), (32, 64)))
    stored = features.split_features(config(), data(tmp_path), pictures, CPU)
    for index, image in enumerate(pictures.pixels):
        assert same([item[0] for item in stored([index])], tiny()(image, CPU))


# -- once --------------------------------------------------------------------------------------------------------------


def test_nothing_is_computed_twice(tmp_path, images, monkeypatch):
    first = features.split_features(config(), data(tmp_path), images, CPU)([0, 1, 2, 3, 4])

    def fail(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(Backbone, "__call__", fail)
    again = features.split_features(config(epochs=7, readout="16-32"), data(tmp_path, viewers=2), images, CPU)
    assert same(first, again([0, 1, 2, 3, 4]))
    with pytest.raises(AssertionError, match="computed again"):
        features.split_features(config(), data(tmp_path), stimuli(seed=1), CPU)


def test_other_pixels_weights_sizes_layers_or_margins_have_another_folder(tmp_path, images, monkeypatch):
    def ask(settings=None, pictures=images, margin=0) -> int:
        features.pixel_features(settings or config(), data(tmp_path), pictures.key, pictures.pixels, CPU, margin)
        return len(folders(tmp_path))

    assert ask() == 1
    assert ask() == 1
    assert ask(config(downsample=2.0)) == 2
    assert ask(config(layers="1,2")) == 3
    assert ask(config(layers="2,1")) == 4
    assert ask(margin=8) == 5
    assert ask(pictures=stimuli(((48, 64),) * 5, seed=9)) == 6
    monkeypatch.setattr(backbones, "SEED", 1)
    backbones.backbone.cache_clear()
    assert ask() == 7
    backbones.backbone.cache_clear()  # of the other seed
    monkeypatch.undo()
    assert ask() == 7


def test_what_the_published_layers_are_called_does_not_matter(tmp_path, images):
    """auto is one of the ways to write them."""
    assert tiny("1, 2,3").digest == tiny().digest


def test_live_maps_leave_no_folder(tmp_path, images):
    settings = data(tmp_path, features="live")
    features.prepare_features(config(), settings, [images])
    features.split_features(config(), settings, images, CPU)([0])
    assert not folders(tmp_path)


def kept_values(cache: Path, pictures: Stimuli) -> tuple[np.memmap, int, int]:
    """Return the file of the maps, and where those of the checked image begin and end."""
    (folder,) = (cache / name for name in folders(cache))
    shapes = json.loads((folder / "manifest.json").read_text())
    ends = np.cumsum([0, *(sum(math.prod(layer) for layer in image) for image in shapes)])
    index = len(pictures) // 2
    return np.memmap(folder / "maps.bin", np.float32, mode="r+"), int(ends[index]), int(ends[index + 1])


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("value", [1e3, math.nan])
def test_a_folder_that_holds_other_values_is_refused(tmp_path, images, value, place):
    features.prepare_features(config(), data(tmp_path), [images])
    values, first, end = kept_values(tmp_path, images)
    values[first if place == 0 else end - 1] = value
    values.flush()
    with pytest.raises(UsageError, match=r"features-.* holds other features .*: remove it"):
        features.prepare_features(config(), data(tmp_path), [images])


def test_a_folder_of_a_little_other_values_is_told_of(tmp_path, images):
    features.prepare_features(config(), data(tmp_path), [images])
    values, first, end = kept_values(tmp_path, images)
    values[first:end] *= 1 + 1e-5
    values.flush()
    with pytest.warns(UserWarning, match="another kind of machine: its features differ by up to 1.0e-05"):
        features.prepare_features(config(), data(tmp_path), [images])


def test_a_folder_of_the_same_machine_is_taken_without_a_word(tmp_path, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            features.prepare_features(config(), data(tmp_path), [images, stimuli(((64, 48),), seed=4)])
    assert len(folders(tmp_path)) == 2


def test_an_interrupted_computation_leaves_nothing_that_is_taken_for_maps(tmp_path, images, monkeypatch):
    call, calls = Backbone.__call__, []

    def fail_at_the_third(self, *given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return call(self, *given)

    monkeypatch.setattr(Backbone, "__call__", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        features.split_features(config(), data(tmp_path), images, CPU)
    monkeypatch.undo()
    stored = features.split_features(config(), data(tmp_path), images, CPU)
    assert same([item[0] for item in stored([4])], tiny()(images.pixels[4], CPU))
