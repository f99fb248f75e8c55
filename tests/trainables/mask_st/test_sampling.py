"""Masks as variants of the published code's defects would not make them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainables.mask_st import sampling
from trainables.mask_st.config import Config
from trainables.mask_st.sampling import Mask


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(shape: tuple[int, ...] = (4, 1, 8, 8), seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed)).requires_grad_()


def inverted(values: torch.Tensor, noise: torch.Tensor | float, temperature: float, top_k: int | None) -> Mask:
    """Sample with the published defect: forward soft, and the only part with a gradient is a comparison without one."""
    soft = torch.sigmoid((values + noise) / temperature)
    hard = sampling.binarise(values + noise, top_k)
    return Mask(hard + (soft - hard).detach(), soft)


@pytest.mark.parametrize("top_k", [None, 6])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 0.7, 2.0])
def test_hard_mask_is_exactly_binary_forward(top_k, temperature):
    noise = sampling.draw_noise("logistic", (64, 1, 16, 16), generator(1))
    mask = sampling.sample(logits((64, 1, 16, 16)) * 5, noise, temperature, hard=True, top_k=top_k)
    assert set(mask.value.unique().tolist()) <= {0.0, 1.0}


def test_hard_mask_has_the_gradient_of_the_soft_one():
    values = logits()
    weight = torch.randn(values.shape, generator=generator(2))
    mask = sampling.sample(values, 0.0, 0.7, hard=True, top_k=6)
    (gradients,) = torch.autograd.grad((mask.value * weight).sum(), values)
    soft = torch.sigmoid(values.detach() / 0.7)
    np.testing.assert_allclose(gradients, weight * soft * (1 - soft) / 0.7, rtol=1e-5, atol=1e-7)


def test_inverted_straight_through_has_neither_gradient_nor_binary_values():
    values = logits()
    defect = inverted(values, 0.0, 0.7, 6)
    assert not defect.value.requires_grad
    assert not set(defect.value.unique().tolist()) <= {0.0, 1.0}
    mask = sampling.sample(values, 0.0, 0.7, hard=True, top_k=6)
    (gradient,) = torch.autograd.grad(mask.value.sum(), values)
    assert (gradient != 0).all()


def test_soft_mask_is_the_sample_itself():
    mask = sampling.sample(logits(), 0.0, 0.7, hard=False, top_k=6)
    assert mask.value is mask.soft


@pytest.mark.parametrize("scores", [torch.zeros(3, 1, 8, 8), torch.ones(3, 1, 8, 8).cumsum(dim=-1) > 4])
def test_projection_keeps_exactly_k_under_ties(scores):
    scores = scores.float()
    mask = sampling.binarise(scores, 6)
    assert mask.sum(dim=(1, 2, 3)).tolist() == [6, 6, 6]
    by_comparison = scores >= scores.flatten(1).topk(6).values[:, -1, None, None, None]  # the published way
    assert by_comparison.sum(dim=(1, 2, 3)).min() > 6


def test_projection_acts_on_the_forward_value_and_picks_the_highest():
    values = logits((5, 1, 8, 8))
    mask = sampling.sample(values, 0.0, 0.7, hard=True, top_k=6)
    assert mask.value.sum(dim=(1, 2, 3)).tolist() == [6.0] * 5
    for row, row_mask in zip(values.detach().flatten(1), mask.value.flatten(1), strict=True):
        assert set(row_mask.nonzero()[:, 0].tolist()) == set(np.argsort(row.numpy())[-6:].tolist())


def test_projection_ranks_what_saturates():
    scores = torch.tensor([[[[90.0, 100.0], [80.0, 95.0]]]])  # their sigmoids are all exactly 1
    assert sampling.binarise(scores, 2).flatten().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("ratio", "cells", "top_k"), [(0.1, 64, 6), (0.1, 784, 78), (0.01, 16, 1)])
def test_projection_size(ratio, cells, top_k):
    assert sampling.projection_size(ratio, cells) == top_k


@pytest.mark.parametrize("logit", [-2.197, 0.0, 1.0])
def test_logistic_noise_gives_the_stated_probability(logit):
    noise = sampling.draw_noise("logistic", (100_000,), generator())
    assert (logit + noise >= 0).float().mean().item() == pytest.approx(1 / (1 + math.exp(-logit)), abs=0.01)


def test_a_single_gumbel_is_biased_and_only_offered_by_that_name():
    noise = sampling.draw_noise("gumbel_literal", (100_000,), generator())
    assert (noise >= 0).float().mean().item() == pytest.approx(1 - math.exp(-1), abs=0.01)  # 0.632, not 0.5


def test_noise_comes_from_the_given_generator_alone():
    torch.manual_seed(1)
    first = sampling.draw_noise("logistic", (10,), generator(5))
    torch.manual_seed(2)
    assert torch.equal(first, sampling.draw_noise("logistic", (10,), generator(5)))
    assert sampling.draw_noise("none", (3,), generator()).tolist() == [0, 0, 0]


def test_float32_under_bf16_autocast():
    values = logits().to(torch.bfloat16)
    noise = sampling.draw_noise("logistic", values.shape, generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mask = sampling.sample(values, noise, 0.2, hard=True, top_k=6)
    assert noise.isfinite().all()
    assert mask.value.dtype == mask.soft.dtype == torch.float32


def test_to_pixels_adds_no_new_values():
    mask = sampling.binarise(logits((2, 1, 14, 14)).detach(), 20)
    pixels = sampling.to_pixels(mask, 64)  # 64 is no multiple of 14
    assert pixels.shape == (2, 1, 64, 64)
    assert pixels.unique().tolist() == [0, 1]
    eight = sampling.to_pixels(mask[..., :8, :8], 64)
    assert torch.equal(eight, mask[..., :8, :8].repeat_interleave(8, 2).repeat_interleave(8, 3))


def test_temperature_reaches_the_floor_at_the_last_epoch():
    config = Config(epochs=20)
    decay = (0.2 / 0.7) ** (1 / 19)
    assert decay == pytest.approx(0.936, abs=5e-4)
    for epoch in range(20):
        assert sampling.temperature(config, epoch) == pytest.approx(0.7 * decay**epoch)


def test_temperature_stays_at_the_floor_after_its_fraction():
    config = Config(epochs=11, floor_fraction=0.5)
    assert sampling.temperature(config, 0) == pytest.approx(0.7)
    assert [sampling.temperature(config, epoch) for epoch in (5, 6, 10)] == pytest.approx([0.2] * 3)


def test_temperature_by_decay_as_the_notes_say_it_misses_the_floor():
    config = Config(epochs=20, temperature_decay=0.98)
    assert sampling.temperature(config, 19) == pytest.approx(0.7 * 0.98**19)
    assert sampling.temperature(config, 20) == pytest.approx(0.467, abs=1e-3)
    assert sampling.temperature(config, 200) == 0.2


def test_temperature_of_a_single_epoch_is_the_start():
    assert sampling.temperature(Config(epochs=1), 0) == pytest.approx(0.7)
