"""Figures of parts against small networks whose gradients and steps are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from trainables.training.gradients import GradientReport


def network() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), "head": nn.Linear(4, 1)})


def backward(net: nn.ModuleDict, factor: float = 1.0) -> Tensor:
    """Gradients of a loss, and their norm."""
    net.zero_grad()
    inputs = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    (factor * net["head"](net["body"](inputs)).square().mean()).backward()
    return get_total_norm([each.grad for each in net.parameters()])


def entries(part: nn.Module) -> list[float]:
    """Every number of every gradient; 0 where there is none."""
    return [
        number
        for each in part.parameters()
        for number in (torch.zeros_like(each) if each.grad is None else each.grad).flatten().tolist()
    ]


@pytest.mark.parametrize("missing", [False, True])
def test_the_figures_are_those_of_all_entries_of_a_part(missing):
    net = network()
    norm = backward(net)
    if missing:
        net["body"][0].weight.grad = None
    report = GradientReport(net, 1.0).measure_gradients(0, norm)
    for name, part in net.items():
        numbers = entries(part)
        assert report[f"health/gradient_norm_{name}"].item() == pytest.approx(math.sqrt(sum(x * x for x in numbers)))
        assert report[f"health/gradient_largest_{name}"].item() == pytest.approx(max(abs(x) for x in numbers))
        assert report[f"health/gradient_zeros_{name}"].item() == pytest.approx(numbers.count(0.0) / len(numbers))
    assert all(value.ndim == 0 and not value.requires_grad for value in report.values())


def test_a_part_that_no_gradient_reaches_is_all_zeros():
    net = network()
    with torch.no_grad():
        net["body"][0].bias.fill_(-100)  # every ReLU is dead
    norm = backward(net)
    parts = {"first": net["body"][0], "second": net["body"][2]}
    report = GradientReport(parts, 1.0).measure_gradients(0, norm)
    assert report["health/gradient_zeros_first"].item() == 1
    assert report["health/gradient_norm_first"].item() == 0
    assert report["health/gradient_zeros_second"].item() == pytest.approx(20 / 24)  # its bias alone is reached
    unused = GradientReport({"unused": nn.Linear(2, 2)}, 1.0).measure_gradients(0, norm)
    assert unused["health/gradient_zeros_unused"].item() == 1
    assert unused["health/gradient_norm_unused"].item() == unused["health/gradient_largest_unused"].item() == 0


def test_the_ratio_of_a_plain_step_is_lr_times_gradient_over_weights_after_clipping():
    net, lr, clip = network(), 0.05, 0.3
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    report = GradientReport(net, clip)
    norm = backward(net, 10)
    before = report.measure_gradients(0, norm)
    weights = {name: get_total_norm(list(part.parameters())).item() for name, part in net.items()}
    clip_grad_norm_(net.parameters(), clip)
    optimizer.step()
    after = report.measure_update()
    assert set(after) == {"health/update_ratio_body", "health/update_ratio_head"}
    for name, size in weights.items():
        clipped = before[f"health/gradient_norm_{name}"].item() * clip / norm.item()
        assert after[f"health/update_ratio_{name}"].item() == pytest.approx(lr * clipped / size, rel=1e-4)


def test_gradients_are_reported_as_they_are_before_clipping():
    net = network()
    norm = backward(net, 1000)
    before = GradientReport({"all": net}, 1.0).measure_gradients(0, norm)["health/gradient_norm_all"].item()
    clip_grad_norm_(net.parameters(), 1.0)
    after = GradientReport({"all": net}, 1.0).measure_gradients(0, norm)["health/gradient_norm_all"].item()
    assert before == pytest.approx(norm.item())
    assert before > 100
    assert after == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e6])
def test_the_sum_of_absolute_gradients_after_clipping_says_little_of_the_gradient(factor):
    net = network()
    norm = backward(net, factor)
    reported = GradientReport({"all": net}, 1.0).measure_gradients(0, norm)["health/gradient_norm_all"].item()
    clip_grad_norm_(net.parameters(), 1.0)
    count = sum(each.numel() for each in net.parameters())
    assert sum(abs(x) for x in entries(net)) <= math.sqrt(count)
    assert reported == pytest.approx(factor * backward(network()).item(), rel=1e-4)


@pytest.mark.parametrize(("clip", "share"), [(0.0, 0), (1.0, 1), (2.5, 0)])
def test_a_step_is_clipped_when_its_norm_is_above_the_bound(clip, share):
    report = GradientReport({"head": nn.Linear(1, 1)}, clip)
    assert [report.measure_gradients(step, torch.tensor(2.0))["health/clipped_share"].item() for step in (0, 1)] == [
        share,
        share,
    ]


def test_parts_are_reported_at_every_so_many_steps_and_clipping_at_all():
    net = network()
    report = GradientReport(net, 1.0, interval=3)
    norm = backward(net)
    for step in range(7):
        before, after = report.measure_gradients(step, norm), report.measure_update()
        assert len(before) == (9 if step % 3 == 0 else 1)
        assert len(after) == (2 if step % 3 == 0 else 0)
        assert report.measure_update() == {}  # of one step once


def test_a_part_s_ratio_is_its_norm_over_that_of_all_others():
    net = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in "abc"})
    for name, gradient in (("a", 3.0), ("b", 4.0), ("c", -10.0)):
        net[name].weight.grad = torch.tensor([[gradient]])
    found = GradientReport(net, 1.0).measure_gradients(0, torch.tensor(1.0))
    assert found["health/gradient_ratio_c"].item() == pytest.approx(10 / 5)
    assert found["health/gradient_ratio_a"].item() == pytest.approx(3 / math.hypot(4, 10))
    for name in "bc":
        net[name].weight.grad = None
    assert GradientReport(net, 1.0).measure_gradients(0, torch.tensor(1.0))["health/gradient_ratio_a"] == 0
    assert "health/gradient_ratio_a" not in GradientReport({"a": net["a"]}, 1.0).measure_gradients(0, torch.tensor(1.0))


def test_weights_that_do_not_move_or_are_all_zero_have_a_ratio_of_zero():
    part = nn.Linear(2, 2)
    report = GradientReport({"still": part}, 1.0)
    report.measure_gradients(0, torch.tensor(1.0))
    assert report.measure_update()["health/update_ratio_still"].item() == 0
    nn.init.zeros_(part.weight)
    nn.init.zeros_(part.bias)
    report.measure_gradients(0, torch.tensor(1.0))
    nn.init.ones_(part.weight)
    assert report.measure_update()["health/update_ratio_still"].item() == 0


def test_without_parts_nothing_is_reported_and_a_part_that_is_not_trained_is_none():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    for parts in ({}, {"frozen": frozen}, {"activation": nn.ReLU()}):
        report = GradientReport(parts, 1.0)
        assert report.measure_gradients(0, torch.tensor(1.0)) == {}
        assert report.measure_update() == {}
