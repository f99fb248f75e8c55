"""The learning rate: the cosine of the whole budget, or one for each stage that begins anew."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from trainables.stages import Stage
from trainables.training.schedule import Schedule

GOING_ON = (Stage("a", 6), Stage("b", 16, first_weights=True, fresh_optimizer=True), Stage("c", 20))
MIXED = (
    Stage("a", 6, lr_factor=0.3),
    Stage("b", 16, restarts_schedule=True, lr_factor=0.5),
    Stage("c", 20, lr_factor=9.0),  # goes on with the schedule of b, so that its own factor says nothing
    Stage("d", 30, restarts_schedule=True, lr_factor=2.0),
)
SPANS = {(0, 6): 0.3, (6, 20): 0.5, (20, 30): 2.0}


def factors(stages, warmup, per_epoch=1):
    """After each part of an epoch, from the first one to the end."""
    epochs = stages[-1].end
    return [
        Schedule.at_epoch(stages, part // per_epoch, warmup).factor((part + 1) / per_epoch)
        for part in range(epochs * per_epoch)
    ]


def by_torch(epochs, warmup):
    """Compute the same for whole epochs and one stage, with torch's own schedulers."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    rising = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    falling = CosineAnnealingLR(optimizer, T_max=epochs - warmup)
    schedule = SequentialLR(optimizer, [rising, falling], milestones=[warmup - 1])
    rates = []
    for _ in range(epochs):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup", [2, 5, 8])
@pytest.mark.parametrize("stages", [GOING_ON, (Stage("one", 20),)])
def test_without_a_new_beginning_it_is_torchs_warm_up_and_cosine_over_the_whole_budget(stages, warmup):
    assert factors(stages, warmup) == pytest.approx(by_torch(20, warmup), abs=1e-9)


def test_every_new_beginning_is_the_schedule_of_a_training_that_is_as_long():
    expected = [
        peak * factor for (begin, end), peak in SPANS.items() for factor in factors((Stage("one", end - begin),), 2, 8)
    ]
    assert factors(MIXED, 2, 8) == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0, 0.5, 2, 50])
@pytest.mark.parametrize("span", SPANS)
def test_every_new_beginning_rises_to_its_peak_and_falls_to_nothing(span, warmup):
    begin, end = span
    mine = factors(MIXED, warmup, 8)[begin * 8 : end * 8]
    peak = int(8 * min(warmup, (end - begin) / 2)) - 1  # its place; a long warm-up is cut to half
    assert mine[-1] == pytest.approx(0, abs=1e-12)
    assert mine[: peak + 1] == sorted(mine[: peak + 1])
    assert mine[max(peak, 0) :] == sorted(mine[max(peak, 0) :], reverse=True)
    if warmup:
        assert mine[peak] == max(mine) == pytest.approx(SPANS[span])


def test_a_warm_up_of_more_than_half_a_stage_is_cut_to_half():
    stages = (Stage("a", 10), Stage("b", 14, restarts_schedule=True))
    of_b = [Schedule.at_epoch(stages, 10, 3.0).factor(10 + epochs) for epochs in (0, 1, 2, 3, 4)]
    assert of_b == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert Schedule.at_epoch(stages, 0, 3.0).factor(3) == pytest.approx(1)  # and that of the long one is whole


def test_a_stage_s_own_warm_up_is_taken_in_place_of_the_config_s_however_long():
    stages = (Stage("a", 10), Stage("b", 14, restarts_schedule=True, lr_factor=0.5, warmup=3.0))
    of_b = [Schedule.at_epoch(stages, 12, 0.5).factor(10 + epochs) for epochs in (0, 1.5, 3, 3.5, 4)]
    assert of_b == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    assert Schedule.at_epoch(stages, 0, 0.5).warmup == 0.5
    assert Schedule.at_epoch((stages[0], stages[1]._replace(warmup=0.0)), 10, 0.5).factor(10) == pytest.approx(0.5)


def test_without_warm_up_it_begins_at_the_peak():
    assert Schedule.at_epoch(MIXED, 6, 0.0).factor(6) == pytest.approx(0.5)
    assert Schedule.at_epoch(GOING_ON, 0, 0.0).factor(5) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_all_epochs_of_a_schedule_find_the_same_one():
    found = [Schedule.at_epoch(MIXED, epoch, 2.0) for epoch in range(30)]
    assert [each[:2] for each in found] == [span for span in SPANS for _ in range(*span)]
    assert [each.peak for each in found] == [peak for (begin, end), peak in SPANS.items() for _ in range(begin, end)]
    assert len(set(found)) == 3
