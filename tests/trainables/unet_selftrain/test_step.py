"""The training step: the loss that is differentiated, and what is reported with it."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_micrographs import build
from trainables.unet_selftrain.losses import compute_losses


def test_a_step_has_the_weighted_loss_and_reports_its_terms_without_weights():
    variant = build(focal_weight=0.7)
    batch = next(variant.batches(0))
    variant.begin_epoch(0)
    losses = compute_losses(variant.net(batch.images), batch.targets, variant.config)
    step = variant.step(batch, 0)
    torch.testing.assert_close(step.loss, losses.total)
    torch.testing.assert_close(step.components["raw/focal"], losses.focal)
    torch.testing.assert_close(step.components["raw/dice"], losses.dice)
    assert step.loss.item() == pytest.approx(0.7 * losses.focal.item() + 0.3 * losses.dice.item())


def test_a_step_reports_the_facts_of_its_stage():
    variant = build()
    batch = next(variant.batches(0))
    components = variant.step(batch, 0).components
    facts = {key: value.item() for key, value in components.items() if key.startswith("train/")}
    assert facts == pytest.approx({f"train/{name}": value for name, value in variant.lesson.facts.items()})
    assert facts["train/iteration"] == 0
