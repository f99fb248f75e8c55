"""Every term against NumPy, and what the literal forms miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from trainables.mask_st import losses
from trainables.mask_st.config import Config
from trainables.mask_st.sampling import Mask, binarise
from trainables.processes import Processes


@dataclass(frozen=True)
class Rank(Processes):
    """One of several processes whose sums are known beforehand."""

    total: torch.Tensor | None = None

    def sum(self, value):
        return self.total


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2


def labels(rows: int = 6, classes: int = 3) -> torch.Tensor:
    return (torch.arange(rows * classes).view(rows, classes) % 4 == 0).float()


def sigmoid(values) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))


def test_full_is_cross_entropy():
    x, y = draw(6, 3), labels()
    p = sigmoid(x)
    reference = -(y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(losses.full(x, y), reference, rtol=1e-5)


def test_full_weighs_positives():
    x, y = draw(6, 3), labels()
    p, weight = sigmoid(x), np.array([1.0, 3.0, 7.0])
    reference = -(weight * y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(losses.full(x, y, torch.tensor(weight).float()), reference, rtol=1e-5)


def test_positive_weights_are_capped():
    y = np.zeros((100, 3), dtype=np.float32)
    y[:20, 0], y[:80, 1] = 1, 1
    assert losses.positive_weights(y, 5.0, torch.device("cpu")).tolist() == [4.0, 1.0, 5.0]
    assert losses.positive_weights(y, 1.0, torch.device("cpu")) is None


def test_consistency_is_kl_without_gradient_into_full():
    full, keep = draw(6, 3).requires_grad_(), draw(6, 3, seed=1).requires_grad_()
    p, q = sigmoid(full.detach()), sigmoid(keep.detach())
    reference = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(axis=1)
    gradients = losses.consistency(full, keep)
    np.testing.assert_allclose(gradients.detach(), reference, rtol=1e-4, atol=1e-6)
    gradients.sum().backward()
    assert full.grad is None
    assert keep.grad.abs().min() > 0


def test_literal_consistency_moves_full_and_is_nearly_zero_for_rare_classes():
    full, keep = torch.full((1, 14), -5.0, requires_grad=True), torch.full((1, 14), -8.0)
    literal = losses.consistency(full, keep, "literal")
    assert literal.item() < 0.01
    literal.backward()
    assert full.grad.abs().min() > 0


def test_consistency_is_finite_for_extreme_logits():
    extreme = torch.tensor([[90.0, -90.0]])
    assert losses.consistency(extreme, -extreme).isfinite().all()


def test_drop_is_a_hinge_over_positives():
    full, drop, y = draw(6, 3), draw(6, 3, seed=1), labels()
    hinge = np.maximum(sigmoid(drop) - sigmoid(full) + 0.2, 0) * y.numpy()
    np.testing.assert_allclose(losses.drop(full, drop, y, 0.2), hinge.sum(axis=1), rtol=1e-5, atol=1e-6)
    assert losses.drop_count(y).tolist() == y.sum(dim=1).tolist()


def test_literal_drop_is_dead_where_removal_changes_nothing():
    same, y = draw(6, 3), labels()
    assert losses.drop(same, same, y, 0.2, "literal").sum() == 0
    assert losses.drop(same, same, y, 0.2).sum() == pytest.approx(0.2 * y.sum())
    assert losses.drop_count(y, "literal").tolist() == [3.0] * 6


def test_total_variation_by_hand():
    mask = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]], [[[1.0, 1.0], [0.0, 0.0]]]])
    assert losses.total_variation(mask).tolist() == [2.0, 1.0]


def test_volume_is_per_image():
    coverage = torch.tensor([0.0, 0.2])  # on target as a batch, off it in every image
    one = Processes()
    np.testing.assert_allclose(losses.volume(coverage, 0.1, "quadratic", one), [0.01, 0.01], rtol=1e-5)
    assert losses.volume(coverage, 0.1, "literal", one).sum() == pytest.approx(0)


def test_barrier_is_kl_and_pulls_where_the_square_hardly_does():
    coverage = torch.tensor([0.05, 0.1, 0.4])
    k = np.array([0.05, 0.1, 0.4])
    reference = 0.1 * np.log(0.1 / k) + 0.9 * np.log(0.9 / (1 - k))
    np.testing.assert_allclose(losses.volume(coverage, 0.1, "barrier", Processes()), reference, rtol=0.02, atol=1e-4)
    empty = torch.zeros(1, requires_grad=True)
    (pull,) = torch.autograd.grad(losses.volume(empty, 0.1, "barrier", Processes()).sum(), empty)
    (square,) = torch.autograd.grad(losses.volume(empty, 0.1, "quadratic", Processes()).sum(), empty)
    assert pull < 100 * square < 0


def test_literal_volume_of_two_processes_is_that_of_one():
    whole = torch.tensor([0.3, 0.1, 0.5, 0.2], requires_grad=True)
    (reference,) = torch.autograd.grad(losses.volume(whole, 0.1, "literal", Processes()).mean(), whole)
    gradients = torch.zeros(4)
    for rank in range(2):
        own = whole.detach()[rank::2].clone().requires_grad_()
        process = Rank(rank, 2, torch.tensor([whole.sum().item(), 4.0]))
        (part,) = torch.autograd.grad(losses.volume(own, 0.1, "literal", process).mean(), own)
        gradients[rank::2] = part / 2  # the loop averages gradients over processes
    np.testing.assert_allclose(gradients, reference, rtol=1e-6)


def test_drop_weighs_every_positive_of_two_processes_equally():
    full, drop, y = draw(6, 3), draw(6, 3, seed=1), labels()
    y[1::2] = 0
    y[1, 0] = 1  # the second process holds one positive, the first all others
    config = Config()
    whole = losses.classifier_terms(config, full, drop, drop, y, Processes())["drop"].mean()
    totals = torch.tensor([6.0, y.sum()])
    parts = [
        losses.classifier_terms(config, full[r::2], drop[r::2], drop[r::2], y[r::2], Rank(r, 2, totals))["drop"]
        for r in range(2)
    ]
    shares = [Rank(r, 2, torch.tensor(6.0)).batch_mean(part) for r, part in enumerate(parts)]
    assert torch.stack(shares).mean().item() == pytest.approx(whole.item(), rel=1e-6)
    assert whole.item() == pytest.approx(losses.drop(full, drop, y, 0.2).sum().item() / y.sum().item(), rel=1e-6)


def test_drop_without_any_positive_is_zero():
    y = torch.zeros(6, 3)
    assert losses.classifier_terms(Config(), draw(6, 3), draw(6, 3), draw(6, 3), y, Processes())["drop"].sum() == 0


def test_expected_area_does_not_depend_on_noise_and_is_not_fixed_by_projection():
    logits = draw(2, 1, 8, 8).requires_grad_()
    mask = Mask(binarise(logits, 6), torch.sigmoid(logits))
    terms = losses.area_terms(Config(), mask, logits, Processes())
    coverage = sigmoid(logits.detach()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["sparsity"].detach(), coverage, rtol=1e-5)
    np.testing.assert_allclose(terms["volume"].detach(), (coverage - 0.1) ** 2, rtol=1e-4)
    (gradient,) = torch.autograd.grad(terms["volume"].sum(), logits)
    assert (gradient != 0).all()


def test_literal_volume_is_vacuous_under_projection():
    logits = draw(2, 1, 10, 10)
    mask = Mask(binarise(logits, 10), torch.sigmoid(logits))
    config = Config(area_form="literal", volume_form="literal", image_size=80)
    assert losses.area_terms(config, mask, logits, Processes())["volume"].abs().max() < 1e-12
