"""What rewards are compared with: running figures of earlier batches, and the batch's other images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from trainables.processes import Processes
from trainables.training.reward_baseline import RewardBaseline, leave_one_out_mean


@dataclass(frozen=True)
class Rank(Processes):
    """One of several processes whose sums are known beforehand."""

    total: torch.Tensor | None = None

    def sum(self, value):
        return self.total


@pytest.mark.parametrize("rewards", [[0.3], [0.2, 0.2, 0.2], [0.0, -1.0, 4.0]])
def test_advantages_are_per_image_and_finite(rewards):
    """The published reward is a batch mean, a scalar, whose unbiased deviation is NaN."""
    baseline = RewardBaseline(0.9, Processes())
    for _ in range(3):
        advantages = baseline.advantages(torch.tensor(rewards))
    assert advantages.shape == (len(rewards),)
    assert advantages.isfinite().all()


def test_baseline_is_of_earlier_batches():
    baseline = RewardBaseline(0.5, Processes())
    baseline.advantages(torch.tensor([0.0, 2.0]))  # mean 1, variance 1
    np.testing.assert_allclose(baseline.advantages(torch.tensor([3.0, 4.0])), [2.0, 3.0], rtol=1e-4)
    # mean (1 + 3.5) / 2, variance (1 + 0.25) / 2
    np.testing.assert_allclose(baseline.advantages(torch.tensor([2.25])), [0.0], atol=1e-6)


def test_baseline_state_continues_exactly():
    first, second = RewardBaseline(0.9, Processes()), RewardBaseline(0.9, Processes())
    first.advantages(torch.tensor([1.0, 5.0]))
    second.load_state(first.state())
    rewards = torch.tensor([2.0, 3.0])
    assert torch.equal(first.advantages(rewards), second.advantages(rewards))


def test_baseline_is_that_of_all_processes():
    whole = torch.tensor([1.0, 4.0, -2.0, 0.5, 3.0])
    wanted = RewardBaseline(0.9, Processes()).advantages(whole)
    sums = torch.stack([whole.sum(), whole.square().sum(), torch.tensor(5.0)])
    for rank in range(2):
        got = RewardBaseline(0.9, Rank(rank, 2, sums)).advantages(whole[rank::2])
        torch.testing.assert_close(got, wanted[rank::2])


def test_others_mean_leaves_each_image_out():
    rewards = torch.randn(7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    known = rewards.detach().numpy()
    wanted = [np.delete(known, index).mean() for index in range(7)]
    got = leave_one_out_mean(rewards, Processes())
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert not got.requires_grad


def test_others_mean_does_not_depend_on_the_image_itself():
    rewards = torch.tensor([0.3, 1.0, -2.0])
    other = torch.tensor([9.0, 1.0, -2.0])
    before, after = leave_one_out_mean(rewards, Processes()), leave_one_out_mean(other, Processes())
    assert before[0] == after[0] == -0.5
    assert (before != after).tolist() == [False, True, True]


def test_others_are_those_of_all_processes():
    whole = torch.tensor([1.0, 4.0, -2.0, 0.5, 3.0])
    sums = torch.tensor([6.5, 5.0], dtype=torch.float64)
    for rank in range(2):
        got = leave_one_out_mean(whole[rank::2], Rank(rank, 2, sums))
        torch.testing.assert_close(got, leave_one_out_mean(whole, Processes())[rank::2])


@pytest.mark.parametrize("images", [1, 2, 3, 30, 257])
def test_equal_rewards_are_exactly_those_of_the_others(images):
    """Else an advantage of rounding would be divided by a deviation of rounding."""
    rewards = torch.full((images,), 5.106_123)
    assert torch.equal(leave_one_out_mean(rewards, Processes()), rewards)
