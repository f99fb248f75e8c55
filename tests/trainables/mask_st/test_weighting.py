"""GradNorm: the sign of its rule, its floor, its sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trainables.mask_st import weighting
from trainables.mask_st.weighting import GradNorm, Group, renormalise
from trainables.processes import Processes


def gradnorm(tasks: tuple[str, ...], shared: nn.Parameter, **settings) -> GradNorm:
    settings = {"alpha": 0.0, "lr": 0.025, "floor": 1e-3, **settings}
    return GradNorm([Group(tasks, (shared,))], processes=Processes(), **settings)


@pytest.fixture(autouse=True)
def short_reference(monkeypatch):
    monkeypatch.setattr(weighting, "REFERENCE_UPDATES", 1)


def steps(weigh: GradNorm, shared: nn.Parameter, scales: dict[str, float], count: int) -> dict[str, float]:
    """Update with tasks whose gradients at the shared parameter have these norms; return the weights."""
    for _ in range(count):
        weigh.update({name: scale * shared.sum() for name, scale in scales.items()})
    return {name: weight.item() for name, weight in weigh.weights_by_task().items()}


def test_the_weight_of_the_weak_gradient_rises():
    shared = nn.Parameter(torch.ones(1))
    weights = steps(gradnorm(("strong", "weak"), shared), shared, {"strong": 1.0, "weak": 0.1}, 20)
    assert weights["weak"] > 1 > weights["strong"]  # the published rule multiplies by g / mean, and does the reverse


def test_weighted_gradients_become_equal():
    shared = nn.Parameter(torch.ones(1))
    weights = steps(gradnorm(("a", "b"), shared), shared, {"a": 1.0, "b": 0.5}, 300)
    assert weights["a"] * 1.0 == pytest.approx(weights["b"] * 0.5, rel=0.1)


def test_a_task_that_lags_behind_is_favoured():
    shared = nn.Parameter(torch.ones(1))
    weigh = gradnorm(("fast", "slow"), shared, alpha=1.5)
    weigh.update({"fast": shared.sum(), "slow": shared.sum()})
    with torch.no_grad():
        shared.fill_(1.0)
    for _ in range(20):
        weigh.update({"fast": shared.sum() - 0.8, "slow": shared.sum()})  # equal gradients, unequal progress
    assert weigh.weights_by_task()["slow"] > weigh.weights_by_task()["fast"]


def test_floor_and_sum_hold_even_for_gradients_of_very_different_size():
    shared = nn.Parameter(torch.ones(1))
    scales = {"a": 1.0, "b": 1e-1, "c": 1e-2, "d": 1e-3, "e": 1e-4}
    weights = steps(gradnorm(tuple(scales), shared, lr=0.2), shared, scales, 100)
    assert sum(weights.values()) == pytest.approx(5, rel=1e-5)
    assert min(weights.values()) >= 1e-3 - 1e-9


@pytest.mark.parametrize("weights", [[3.0, -2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1e6, 1.0, 1e-9]])
def test_renormalised(weights):
    result = renormalise(torch.tensor(weights), 0.01, torch.ones(len(weights), dtype=torch.bool))
    assert result.sum().item() == pytest.approx(3, rel=1e-5)
    assert result.min().item() >= 0.01 - 1e-7


def test_balanced_weights_stay_as_they_are():
    is_active = torch.ones(2, dtype=torch.bool)
    np.testing.assert_allclose(renormalise(torch.tensor([0.5, 1.5]), 1e-3, is_active), [0.5, 1.5], rtol=1e-6)


def test_what_takes_no_part_stays_at_one():
    is_active = torch.tensor([True, False, True])
    np.testing.assert_allclose(renormalise(torch.tensor([3.0, 9.0, 1.0]), 0.0, is_active), [1.5, 1.0, 0.5], rtol=1e-6)
    assert renormalise(torch.tensor([3.0, 9.0]), 0.1, torch.tensor([False, False])).tolist() == [1, 1]


def test_each_group_asks_only_its_own_parameters():
    first, second = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [Group(("full", "keep"), (first,)), Group(("keep", "drop"), (second,))]
    weigh = GradNorm(groups, alpha=0.0, lr=0.025, floor=1e-3, processes=Processes())
    for _ in range(2):
        weigh.update(
            {
                "full": first.sum(),
                "keep": first.sum() + second.sum(),
                "drop": 0.1 * second.sum(),
            }
        )
    assert weigh.tasks == ("full", "keep", "drop")
    assert weigh.weights_by_task()["drop"] > weigh.weights_by_task()["full"]


def test_progress_is_measured_from_the_mean_of_the_first_updates(monkeypatch):
    monkeypatch.setattr(weighting, "REFERENCE_UPDATES", 10)
    shared = nn.Parameter(torch.ones(1))
    weigh = gradnorm(("a", "b"), shared, alpha=1.0)
    for update in range(10):  # the first batch has a loss of 0, which as a reference would make any progress infinite
        weigh.update({"a": update * shared.sum(), "b": 4.5 * shared.sum()})
        assert list(weigh.weights_by_task().values()) == [1, 1]
    # a has come to a third of its mean of 4.5, b nowhere, and their gradients are the same
    weigh.update({"a": 4.5 * shared.sum() - 3, "b": 4.5 * shared.sum()})
    assert weigh.weights_by_task()["b"] > 1 > weigh.weights_by_task()["a"]


def test_a_task_that_begins_at_zero_takes_no_part():
    shared = nn.Parameter(torch.ones(1))
    weigh = gradnorm(("silent", "a", "b"), shared, alpha=1.0)
    for _ in range(20):
        weigh.update({"silent": 50 * (shared.sum() - 1), "a": shared.sum(), "b": 0.5 * shared.sum()})
    weights = weigh.weights_by_task()
    assert weights["silent"] == 1
    assert weights["b"] > 1 > weights["a"]
    assert weights["a"] + weights["b"] == pytest.approx(2, rel=1e-5)


def test_state_holds_an_unfinished_reference(monkeypatch):
    monkeypatch.setattr(weighting, "REFERENCE_UPDATES", 5)
    shared, scales = nn.Parameter(torch.ones(1)), {"a": 1.0, "b": 0.1}
    uninterrupted, first, second = (gradnorm(("a", "b"), shared, alpha=1.0) for _ in range(3))
    reference = steps(uninterrupted, shared, scales, 9)
    steps(first, shared, scales, 3)
    second.load_state(first.state())
    assert steps(second, shared, scales, 6) == reference != {"a": 1, "b": 1}


def test_without_any_gradient_nothing_moves():
    shared = nn.Parameter(torch.ones(1))
    weights = steps(gradnorm(("a", "b"), shared), shared, {"a": 0.0, "b": 0.0}, 5)
    assert list(weights.values()) == pytest.approx([1, 1])


def test_state_continues_exactly():
    shared, scales = nn.Parameter(torch.ones(1)), {"a": 1.0, "b": 0.1}
    uninterrupted, first, second = (gradnorm(("a", "b"), shared, alpha=1.0) for _ in range(3))
    reference = steps(uninterrupted, shared, scales, 7)
    steps(first, shared, scales, 3)
    second.load_state(first.state())
    assert steps(second, shared, scales, 4) == reference
