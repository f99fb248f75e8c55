"""The two networks, their weights, stochastic depth, and that channels_last is not only said."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from torch import nn

from search.space import Space
from trainables.mask_st.config import Config, Data
from trainables.mask_st.model import Classifier, MaskGenerator, draw_depth
from trainables.registry import load
from trainables.settings import UsageError


def config(**values) -> Config:
    return Config(**{"image_size": 32, "backbone": "micro", **values})


def images(count: int = 2, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(0))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("stride", [1, 4, 8, 16])
def test_generator_has_one_logit_per_cell_and_starts_at_the_wanted_coverage(stride):
    torch.manual_seed(0)
    generator = MaskGenerator(config(mask_stride=stride), 1)
    logits = generator(images())
    assert logits.shape == (2, 1, 32 // stride, 32 // stride)
    assert logits.sigmoid().mean().item() == pytest.approx(0.1, abs=0.04)


def test_literal_generator_is_the_published_one():
    generator = MaskGenerator(config(mask_arch="literal"), 3)
    assert parameters(generator) == 5_121
    assert generator(images().expand(-1, 3, -1, -1)).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(("settings", "field"), [({"mask_arch": "literal"}, 5), ({"mask_stride": 8}, 15)])
def test_receptive_field_of_the_generators_convolutions(settings, field):
    generator = MaskGenerator(config(image_size=64, **settings), 1)
    for layer in generator.body.modules():
        if isinstance(layer, nn.GroupNorm):  # it sees the whole image, but only its mean and deviation
            layer.forward = lambda values: values
    image = images(1, 64).requires_grad_()
    logits = generator(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    assert (gradient[0, 0].abs().sum(dim=0) > 0).sum().item() == field


def test_every_parameter_of_the_generator_gets_a_gradient():
    generator = MaskGenerator(config(), 1)
    generator(images()).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())


def test_logits_keep_float32_under_autocast():
    """A head in bf16 has 8 bits: most of these logits would tie, and the projection would keep them by their place."""
    torch.manual_seed(0)
    generator = MaskGenerator(config(mask_stride=4, image_size=128), 1)
    classifier = Classifier(config(image_size=128), 1, 4)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = generator(images(1, 128)).flatten()
        scores = classifier(images(64, 32)).flatten()
        bf16_logits = generator.head(generator.body(images(1, 128))).flatten()
    assert logits.dtype == scores.dtype == torch.float32
    assert len(logits.unique()) > 0.99 * len(logits) > 2 * len(bf16_logits.unique())
    assert len(scores.unique()) > 0.99 * len(scores)


@pytest.mark.parametrize(("backbone", "channels_last"), [("micro", True), ("micro", False), ("convnext_atto", True)])
def test_channels_last_is_in_effect_inside_the_networks(backbone, channels_last):
    layouts = []

    def look(module, inputs, output):
        layouts.append(output.is_contiguous(memory_format=torch.channels_last))

    settings = config(channels_last=channels_last, backbone=backbone)
    for network in (Classifier(settings, 1, 4), MaskGenerator(settings, 1)):
        convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d) and each.out_channels > 1]
        assert all(
            each.weight.is_contiguous(memory_format=torch.channels_last) == channels_last
            for each in convolutions
            if each.weight.shape[1] > 1 and each.kernel_size != (1, 1)
        )
        for each in convolutions[:-1]:
            each.register_forward_hook(look)
        network(images())
    assert len(layouts) >= 5
    assert all(layout == channels_last for layout in layouts)


def test_timm_convnext_takes_grey_images_and_any_number_of_classes():
    classifier = Classifier(config(backbone="convnext_atto", drop_path=0.3), 1, 5)
    assert classifier(images()).shape == (2, 5)
    assert classifier.drop_rates[0] == 0
    assert classifier.drop_rates[-1] == pytest.approx(0.3)
    assert len(classifier.last_block()) > 3


@pytest.mark.parametrize("backbone", ["micro", "convnext_atto", "convnext_atto_ols"])
def test_gradient_at_masked_out_pixels_is_not_out_of_proportion(backbone):
    """timm's zero biases make it 10¹⁰ times that at an ordinary image."""
    torch.manual_seed(0)
    classifier = Classifier(config(backbone=backbone), 1, 4)
    ordinary, half = images(1, 64).requires_grad_(), images(1, 64)
    half[..., 16:] = 0
    half.requires_grad_()
    for image in (ordinary, half):
        (classifier(image) * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
    assert half.grad.norm() < 5 * ordinary.grad.norm()


def test_stochastic_depth_is_per_image():
    torch.manual_seed(0)
    classifier = Classifier(config(backbone="convnext_atto", drop_path=0.5), 1, 5)
    for block in (block for stage in classifier.net.stages for block in stage.blocks):
        nn.init.ones_(block.gamma)  # layer scale starts at 1e-6, which would hide the branches
    copies = images(1).repeat(3, 1, 1, 1)
    depth = torch.ones(3, len(classifier.drop_rates))
    depth[0] = 0
    with torch.no_grad():
        without_branches, with_branches, also_with_branches = classifier(copies, depth)
        plain = classifier(copies)[0]
    torch.testing.assert_close(with_branches, also_with_branches)
    torch.testing.assert_close(with_branches, plain)
    assert not torch.allclose(without_branches, plain)


def test_depth_factors_have_mean_one_and_the_blocks_rates():
    depth = draw_depth([0.0, 0.25, 0.5], 20_000, torch.Generator().manual_seed(0))
    assert depth.mean(dim=0).tolist() == pytest.approx([1, 1, 1], abs=0.03)
    assert (depth == 0).float().mean(dim=0).tolist() == pytest.approx([0, 0.25, 0.5], abs=0.02)
    assert draw_depth([0.0, 0.0], 4, torch.Generator()) is None


def test_weights_of_a_file_are_loaded_and_fitted(tmp_path):
    torch.manual_seed(0)
    pretrained = Classifier(config(backbone="convnext_atto", channels_last=False), 3, 1000).net
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(pretrained.state_dict(), file)
    classifier = Classifier(config(backbone="convnext_atto", weights=str(file)), 1, 4)
    inside = "stages.1.blocks.0.mlp.fc1.weight"
    torch.testing.assert_close(classifier.net.state_dict()[inside], pretrained.state_dict()[inside])
    summed_stem = pretrained.state_dict()["stem.0.weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(classifier.net.state_dict()["stem.0.weight"], summed_stem)
    assert classifier(images()).shape == (2, 4)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"backbone": "resnet50"}, r"backbone=resnet50 is no convnext model of timm: take micro, or one of .*convnext"),
        ({"backbone": "convnext_atta"}, "backbone=convnext_atta is no convnext model of timm: take micro"),
        ({"backbone": "convnext_atto", "weights": "missing.safetensors"}, "is no file"),
    ],
)
def test_what_cannot_be_built_is_named(values, says):
    with pytest.raises(UsageError, match=says):
        load("mask_st").check(config(**values), Data())


def test_a_misspelt_backbone_is_refused_before_the_search():
    space = Space.load("mask_st", {"fixed": {"backbone": "convnext_tinny"}})
    with pytest.raises(UsageError, match="backbone=convnext_tinny is no convnext model of timm: take micro"):
        space.check_start()
    Space.load("mask_st", {"fixed": {"backbone": "convnext_tiny"}}).check_start()


def test_every_backbone_that_a_search_may_choose_is_checked_before_it():
    choice = {"choice": ["convnext_atto", "convnext_tinny"]}
    with pytest.raises(UsageError, match="backbone=convnext_tinny is no convnext model of timm: take micro"):
        Space.load("mask_st", {"params": {"backbone": choice}}).check_start()
    Space.load("mask_st", {"params": {"backbone": {"choice": ["convnext_atto", "micro"]}}}).check_start()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"temperature": 0.3, "temperature_min": 0.5}, "temperature_min=0.5"),
        ({"temperature_decay": 0.9, "floor_fraction": 0.5}, "set one of them"),
        ({"image_size": 60, "mask_stride": 8}, "mask_stride=8"),
        ({"mask_kind": "ppo", "ppo_grid": 64}, "ppo_grid=64"),
        ({"drop_path": 0.1}, "backbone=micro"),
        ({"weights": "timm"}, "backbone=micro"),
        ({"weights": "some.safetensors"}, "backbone=micro"),
        ({"mask_arch": "literal", "mask_stride": 4}, "leave out mask_stride=4"),
    ],
)
def test_settings_that_contradict_each_other(values, says):
    with pytest.raises(UsageError, match=says):
        config(**values)
