"""The loss against its formula in NumPy, and what must not count in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainables.unet_selftrain import losses
from trainables.unet_selftrain.config import Config

SHAPE = (3, 1, 5, 7)


def draw(seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2


def targets(soft: bool = False, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Draw targets with a third each of positive, negative and ignored pixels."""
    uniform = torch.rand(SHAPE, generator=torch.Generator().manual_seed(9), dtype=dtype)
    kind = (uniform * 3).floor() - 1
    return torch.where(kind > 0, 0.1 + 0.8 * (uniform * 3 - 2), kind) if soft else kind


def formula(logits, target, gamma, alpha, pos_weight) -> float:
    """Focal pixel by pixel in float64, from probabilities and not from logits."""
    total, count = 0.0, 0
    for z, y in zip(logits.double().flatten().tolist(), target.double().flatten().tolist(), strict=True):
        if y == -1:
            continue
        p = 1 / (1 + np.exp(-z))
        entropy = -(pos_weight * y * np.log(p) + (1 - y) * np.log(1 - p))
        total += (alpha * y + (1 - alpha) * (1 - y)) * abs(y - p) ** gamma * entropy
        count += 1
    return total / count


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    ("gamma", "alpha", "pos_weight"), [(2.0, 0.25, 1.0), (0.0, 0.7, 1.0), (0.5, 0.5, 10.0), (4.0, 0.25, 3.0)]
)
def test_focal_is_its_formula(soft, gamma, alpha, pos_weight):
    got = losses.focal(draw(), targets(soft), gamma, alpha, pos_weight)
    assert got.item() == pytest.approx(formula(draw(), targets(soft), gamma, alpha, pos_weight), rel=1e-5)


@pytest.mark.parametrize("expected", [0.1, 0.5, 0.75, 0.9])
def test_focal_is_lowest_where_the_probability_is_the_soft_target(expected):
    """With 1 − p_t for its factor, the lowest place for a target of 0.75 would be 0.92."""
    probabilities = torch.linspace(0.01, 0.99, 99)
    target = torch.full((1, 1, 1, 1), expected)
    values = [losses.focal(p.logit().view(1, 1, 1, 1), target, 2.0, 0.5, 1.0) for p in probabilities]
    assert probabilities[torch.stack(values).argmin()].item() == pytest.approx(expected, abs=1e-6)


def test_focal_without_exponent_is_half_of_cross_entropy():
    target = targets().clamp(min=0)
    expected = F.binary_cross_entropy_with_logits(draw(), target, pos_weight=torch.tensor(3.0)) / 2
    torch.testing.assert_close(losses.focal(draw(), target, 0.0, 0.5, 3.0), expected)


def test_dice_is_its_formula():
    z, y = draw().double().numpy(), targets(soft=True).double().numpy()
    p, valid = 1 / (1 + np.exp(-z)), y >= 0
    expected = 1 - (2 * (p * y)[valid].sum() + 0.7) / (p[valid].sum() + y[valid].sum() + 0.7)
    assert losses.dice(draw(), targets(soft=True), 0.7).item() == pytest.approx(expected, rel=1e-5)


def test_dice_of_a_perfect_prediction_is_zero_and_of_its_opposite_nearly_one():
    perfect = targets() * 40 - 20
    assert losses.dice(perfect, targets(), 1.0).item() == pytest.approx(0, abs=1e-6)
    assert losses.dice(-perfect, targets(), 1e-3).item() == pytest.approx(1, abs=1e-3)


def test_dice_is_over_the_whole_batch():
    joint = losses.dice(draw(), targets(), 1.0)
    singles = [losses.dice(z, y, 1.0) for z, y in zip(draw().split(1), targets().split(1), strict=True)]
    assert abs(joint - torch.stack(singles).mean()) > 1e-4


def test_ignored_pixels_have_neither_value_nor_gradient():
    logits, ignored = draw().requires_grad_(), targets() == -1
    total = losses.compute_losses(logits, targets(), Config()).total
    total.backward()
    assert not logits.grad[ignored].any()
    assert logits.grad[~ignored].all()
    changed = torch.where(ignored, -5 * draw(1), draw())
    assert torch.equal(losses.compute_losses(changed, targets(), Config()).total, total)


@pytest.mark.parametrize("balance", ["alpha", "pos_weight"])
def test_a_batch_of_ignored_pixels_has_a_finite_loss_without_gradient(balance):
    logits = draw().requires_grad_()
    result = losses.compute_losses(logits, torch.full(SHAPE, -1.0), Config(balance=balance))
    result.total.backward()
    assert [each.item() for each in result] == [0, 0, 0]
    assert not logits.grad.any()


def test_the_total_is_the_weighted_sum_of_the_raw_parts():
    result = losses.compute_losses(draw(), targets(), Config(focal_weight=0.6, dice_smooth=2.0))
    torch.testing.assert_close(result.total, 0.6 * result.focal + 0.4 * result.dice)
    torch.testing.assert_close(result.dice, losses.dice(draw(), targets(), 2.0))


def test_only_one_of_alpha_and_pos_weight_is_in_effect():
    """So the ratio of positives to negatives is what the setting says, never 0.25 · 10 / 0.75."""

    def pull(config: Config) -> float:
        """Divide a positive pixel's gradient by a negative one's, at p = 1/2, where nothing else differs."""
        logits = torch.zeros(1, 1, 1, 2, requires_grad=True)
        losses.compute_losses(logits, torch.tensor([[[[1.0, 0.0]]]]), config).focal.backward()
        return -(logits.grad[..., 0] / logits.grad[..., 1]).item()

    assert pull(Config(balance="alpha", gamma=0, alpha=0.25, pos_weight=10)) == pytest.approx(0.25 / 0.75)
    assert pull(Config(balance="pos_weight", gamma=0, alpha=0.25, pos_weight=10)) == pytest.approx(10)


def test_under_autocast_the_loss_is_that_of_float32():
    with torch.autocast("cpu", torch.bfloat16):
        network = F.linear(torch.ones(4, 4), torch.ones(4, 4))
        result = losses.compute_losses(draw(), targets(), Config())
    assert network.dtype == torch.bfloat16  # autocast was on
    assert torch.equal(torch.stack(result), torch.stack(losses.compute_losses(draw(), targets(), Config())))


def test_half_precision_logits_are_computed_with_in_float32():
    rough = draw().bfloat16()
    result = losses.compute_losses(rough, targets(), Config())
    assert result.total.dtype == torch.float32
    assert torch.equal(result.total, losses.compute_losses(rough.float(), targets(), Config()).total)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradients_are_those_of_finite_differences(gamma):
    logits, target = draw(dtype=torch.float64).requires_grad_(), targets(soft=True, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: losses.focal(z, target, gamma, 0.3, 4.0), logits)
    assert torch.autograd.gradcheck(lambda z: losses.dice(z, target, 1.0), logits)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("size", [30.0, 200.0, 1e4])
def test_saturated_logits_have_finite_losses_and_gradients(gamma, size):
    logits = torch.tensor([size, -size, size, -size, size, -size, 0.0]).view(1, 1, 1, 7).requires_grad_()
    target = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.5, -1.0, 1.0]).view(1, 1, 1, 7)
    result = losses.compute_losses(logits, target, Config(gamma=gamma))
    result.total.backward()
    assert result.total.isfinite()
    assert logits.grad.isfinite().all()
    assert result.focal.item() == pytest.approx((0.25 * size + 0.75 * size + 0.5**gamma * 0.25 * size) / 6, rel=0.02)
