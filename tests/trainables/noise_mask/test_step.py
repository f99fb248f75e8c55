"""A training step: gradients of each objective, the batches that it gets, and its report."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.support.tiny_noise import FORMS, build, build_loop


def gradients(variant, batch) -> list[torch.Tensor]:
    variant.classifier.zero_grad()
    torch.autograd.backward(variant.step(batch, 0).loss)
    return [each.grad.clone() for each in variant.classifier.parameters() if each.grad is not None]


@pytest.mark.parametrize("grid", [2, 8])
def test_literal_multiplies_the_classifier_s_gradient_by_the_grid_s_logarithm_and_reinforce_does_not(grid):
    """Notes: one backward pass of a product, so that `grid` sets the classifier's learning rate."""
    factors = {}
    for objective in ("literal", "reinforce"):
        variant = build(objective=objective, grid=grid, augment="none", entropy=0.5)
        variant.begin_epoch(0)
        batch = next(iter(variant.batches(0)))
        gradient = gradients(variant, batch)
        variant.policy.load_state_dict(
            build(objective=objective, grid=grid).policy.state_dict()
        )  # its norms have moved
        sample = variant.sampler.sample(batch.images, batch.size, (0, batch.step), 1)
        variant.classifier.zero_grad()
        torch.autograd.backward(F.cross_entropy(variant.classifier(batch.images * sample.masks.detach()), batch.labels))
        plain = [each.grad for each in variant.classifier.parameters() if each.grad is not None]
        norms = [math.sqrt(sum(float(each.square().sum()) for each in parts)) for parts in (gradient, plain)]
        factors[objective] = norms[0] / norms[1]
        if objective == "reinforce":
            for one, other in zip(gradient, plain, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert factors["reinforce"] == pytest.approx(1, abs=1e-4)
    assert factors["literal"] == pytest.approx(math.log(grid**2) + 0.15, abs=0.35)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_erasing_is_of_the_same_images_cropped_in_the_same_places(share):
    """So that trainings with and without differ by what is erased alone."""
    plain, erased = (
        torch.cat([batch.images for batch in build(objective="none", erase=each).batches(1)]) for each in (0.0, share)
    )
    changed = plain != erased
    assert (erased[changed] == 0).all()
    assert changed.flatten(1).any(dim=1).float().mean().item() == pytest.approx(share, abs=0.25)


def test_images_get_masks_of_their_own_which_are_others_at_each_step():
    variant = build(objective="random")
    batch = next(iter(variant.batches(0)))
    first, again, other = (variant.sampler.sample(batch.images, batch.size, (0, step), 1).masks for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
def test_every_epoch_reports_the_same_finite_figures(values):
    loop = build_loop(**values)
    reports = [loop.run_epoch() for _ in range(4)]
    assert len({frozenset(report) for report in reports}) == 1
    numbers = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(numbers).all()
    heat = loop.config.heat_epochs
    assert [report["train/masked"] for report in reports] == [1.0] * heat + [0.0] * (4 - heat)
    assert reports[3]["val/accuracy_balanced_heated"] == reports[3]["val/accuracy_balanced_maskfree"]


def test_a_policy_that_is_not_trained_has_not_moved_and_one_that_is_has():
    """Running parameters and batch statistics drift by themselves."""
    still, moving = (build_loop(objective="reinforce", policy_lr_ratio=ratio, entropy=0.0) for ratio in (0.0, 1.0))
    shifts = [[loop.run_epoch()["health/policy_shift"] for _ in range(2)] for loop in (still, moving)]
    assert shifts[0] == [0.0, 0.0]
    assert min(shifts[1]) > 1e-3
