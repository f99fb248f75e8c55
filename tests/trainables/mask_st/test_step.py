"""One training step: which coefficient multiplies which term, what PPO is rewarded with, and when GradNorm acts."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_masks import build
from trainables.mask_st import losses
from trainables.mask_st.batches import Batch
from trainables.mask_st.variant import MaskST
from trainables.training.reward_baseline import RewardBaseline

COEFFICIENTS = {
    "alpha": "consistency",
    "beta": "drop",
    "gamma": "sparsity",
    "delta": "tv",
    "volume_lambda": "volume",
}


def batch_of(variant: MaskST, ramp: float = 1.0) -> Batch:
    variant.begin_epoch(2)
    return next(variant.batches(2))._replace(ramp=ramp)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_each_coefficient_multiplies_its_own_term(name):
    variant = build(**{**dict.fromkeys(COEFFICIENTS, 0.0), name: 0.7})
    step = variant.step(batch_of(variant), 0)
    raw = {term: step.components[f"raw/{term}"].item() for term in ("full", *COEFFICIENTS.values())}
    term = COEFFICIENTS[name]
    other_terms = [raw[name] for name in COEFFICIENTS.values() if name != term]
    assert raw[term] > 0
    assert all(abs(raw[term] - value) > 1e-5 for value in other_terms)  # or a permutation would go unseen
    assert step.loss.item() == pytest.approx(raw["full"] + 0.7 * raw[term], rel=1e-6)


def test_the_ramp_multiplies_all_but_the_classification():
    variant = build()
    config, step = variant.config, variant.step(batch_of(variant, ramp=0.25), 0)
    weighted_sum = sum(getattr(config, name) * step.components[f"raw/{term}"] for name, term in COEFFICIENTS.items())
    assert step.loss.item() == pytest.approx((step.components["raw/full"] + 0.25 * weighted_sum).item(), rel=1e-6)


def rewards_of(variant: MaskST, batch: Batch, monkeypatch) -> torch.Tensor:
    """Return what a step passes to the reward baseline."""
    calls = []
    monkeypatch.setattr(RewardBaseline, "advantages", lambda self, rewards: calls.append(rewards) or rewards)
    variant.step(batch, 0)
    return calls[0]


def test_ppo_is_rewarded_for_consistency_by_alpha_and_for_drop_by_beta(monkeypatch):
    combined, consistency_only, drop_only = (
        rewards_of(variant := build(mask_kind="ppo", alpha=a, beta=b), batch_of(variant), monkeypatch)
        for a, b in ((0.3, 1.7), (1.0, 0.0), (0.0, 1.0))
    )
    torch.testing.assert_close(combined, 0.3 * consistency_only + 1.7 * drop_only)
    variant = build(mask_kind="ppo", alpha=1.0, beta=0.0)
    step = variant.step(batch_of(variant), 0)
    assert step.components["raw/consistency"].item() == pytest.approx(-consistency_only.mean().item(), rel=1e-5)
    batch = batch_of(variant)
    positives = batch.labels.sum(dim=1)
    assert positives.max() > 1  # so that a mean over positives is no sum
    of_the_batch = -(drop_only * positives).sum() / positives.sum()
    assert step.components["raw/drop"].item() == pytest.approx(of_the_batch.item(), rel=1e-5)


def changed_rewards(monkeypatch) -> list[int]:
    """List the rows whose reward changes when the third image and its labels do."""
    variant = build(mask_kind="ppo")
    batch = batch_of(variant)
    changed_batch = batch._replace(images=batch.images.clone(), labels=batch.labels.clone())
    changed_batch.images[2] = changed_batch.images[2].flip(0, 1) * 1.5
    changed_batch.labels[2] = 1
    before, after = (rewards_of(variant, images, monkeypatch) for images in (batch, changed_batch))
    return ((before - after).abs() > 1e-6).nonzero()[:, 0].tolist()


def test_ppo_rewards_an_image_for_itself_alone(monkeypatch):
    assert changed_rewards(monkeypatch) == [2]


def test_a_reward_scaled_by_the_batch_would_be_noticed(monkeypatch):
    rewards = losses.rewards

    def of_the_batch(config, full, keep, drop, labels):
        return rewards(config, full, keep, drop, labels).mean().expand(len(labels))

    def rewards_over_the_batch(config, full, keep, drop, labels):
        sums = losses.drop(full, drop, labels, config.drop_margin)
        return -(sums * len(labels) / labels.sum())

    for wrong in (of_the_batch, rewards_over_the_batch):
        monkeypatch.setattr(losses, "rewards", wrong)
        assert len(changed_rewards(monkeypatch)) > 1


def test_gradnorm_waits_for_the_ramp_and_takes_the_place_of_the_coefficients(monkeypatch):
    monkeypatch.setattr("trainables.mask_st.weighting.REFERENCE_UPDATES", 1)
    variant = build(weighting="gradnorm", gradnorm_lr=0.1)
    for _ in range(3):
        step = variant.step(batch_of(variant, ramp=0.0), 0)
        assert {step.components[f"train/w_{name}"].item() for name in ("full", "consistency", "drop")} == {1.0}
    for batch in (*variant.batches(1), *variant.batches(2)):
        step = variant.step(batch._replace(ramp=1.0), 0)
    weight = {name: step.components[f"train/w_{name}"].item() for name in ("full", "consistency", "drop")}
    assert len({round(value, 4) for value in weight.values()}) == 3
    assert sum(weight.values()) == pytest.approx(3, rel=1e-5)
    raw = {name: step.components[f"raw/{name}"].item() for name in ("full", *COEFFICIENTS.values())}
    static = {term: getattr(variant.config, name) for name, term in COEFFICIENTS.items()}
    reference = sum(value * {**static, **weight}[name] for name, value in raw.items())
    assert step.loss.item() == pytest.approx(reference, rel=1e-5)
