"""The share of a trial, and how many trials fit."""

from fractions import Fraction

import pytest

from search.placement import Machine, place_trials, this_machine
from search.request import Run
from trainables.settings import UsageError


@pytest.mark.parametrize(
    ("machine", "asked", "placed"),
    [
        ((8, 0), {}, (1.0, 0.0, 8)),
        ((8, 0), {"cpus_per_trial": 3}, (3.0, 0.0, 2)),
        ((2, 0), {"cpus_per_trial": 0.5}, (0.5, 0.0, 4)),
        ((8, 2), {}, (1.0, 1.0, 2)),
        ((8, 2), {"gpus_per_trial": 0.25}, (1.0, 0.25, 8)),
        ((8, 2), {"gpus_per_trial": 0.4}, (1.0, 0.4, 4)),
        ((8, 4), {"gpus_per_trial": 2}, (1.0, 2.0, 2)),
        ((8, 2), {"gpus_per_trial": 0}, (1.0, 0.0, 8)),
        ((8, 2), {"gpus_per_trial": 0.25, "max_concurrent": 3}, (1.0, 0.25, 3)),
        ((2, 1), {"gpus_per_trial": 0.1, "max_concurrent": 30}, (1.0, 0.1, 2)),
    ],
)
def test_the_machine_is_shared_out(machine, asked, placed):
    placement = place_trials(Run(**asked), Machine(*machine))
    assert (placement.cpus_per_trial, placement.gpus_per_trial, placement.concurrent) == placed


@pytest.mark.parametrize("percent", range(10, 101))
def test_a_share_is_never_lost_to_rounding_nor_given_twice(percent):
    share = percent / 100
    for devices in (1, 2, 8, 16):
        exact = Fraction(percent, 100)
        assert place_trials(Run(cpus_per_trial=share), Machine(devices, 0)).concurrent == int(devices / exact)
        gpu = place_trials(Run(gpus_per_trial=share), Machine(10_000, devices))
        assert gpu.concurrent == int(1 / exact) * devices  # a trial's share lies on one GPU


def test_no_trial_is_lost_to_rounding_on_seven_cpus():
    assert place_trials(Run(cpus_per_trial=0.14), Machine(7, 0)).concurrent == 50


@pytest.mark.parametrize(
    ("machine", "asked", "words"),
    [
        ((2, 0), {"cpus_per_trial": 3}, ["cpus_per_trial=3", "there are 2"]),
        ((2, 0), {"gpus_per_trial": 0.25}, ["gpus_per_trial=0.25", "there are 0", "gpus=1"]),
        ((2, 1), {"gpus_per_trial": 2}, ["gpus_per_trial=2", "there are 1"]),
        ((2, 4), {"gpus_per_trial": 1.5}, ["gpus_per_trial=1.5", "whole ones"]),
    ],
)
def test_more_than_there_is_is_refused_with_what_there_is(machine, asked, words):
    with pytest.raises(UsageError) as refusal:
        place_trials(Run(**asked), Machine(*machine))
    for word in words:
        assert word in str(refusal.value)


def test_cpus_and_gpus_may_be_declared():
    assert this_machine(Run(cpus=3, gpus=5)) == Machine(3, 5)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"max_concurrent": 2}, "2 at a time, 1 CPU each"),
        ({"max_concurrent": 2, "gpus_per_trial": 0.25}, "2 at a time, 1 CPU and 0.25 GPU each"),
    ],
)
def test_a_placement_reads_as_a_person_would_say_it(asked, text):
    assert str(place_trials(Run(**asked), Machine(8, 1 if "gpus_per_trial" in asked else 0))) == text


@pytest.mark.parametrize(
    ("gpus", "asked", "expected"),
    [(4, "auto", (2, 2.0)), (2, 2, (1, 2.0)), (2, 0, (4, 0.0)), (0, "auto", (4, 0.0))],
)
def test_each_of_several_processes_has_a_gpu_or_none_has(gpus, asked, expected):
    placement = place_trials(Run.from_dict({"gpus_per_trial": asked}), Machine(8, gpus), processes=2)
    assert (placement.concurrent, placement.gpus_per_trial) == expected


def test_processes_that_cannot_each_have_what_they_need_are_refused():
    with pytest.raises(UsageError, match="gpus_per_trial=2, but there are 1"):
        place_trials(Run.from_dict({}), Machine(8, 1), processes=2)
    with pytest.raises(UsageError, match=r"gpus_per_trial=0\.5 is not for processes=2"):
        place_trials(Run.from_dict({"gpus_per_trial": 0.5}), Machine(8, 2), processes=2)
    with pytest.raises(UsageError, match="cpus_per_trial=1 for each of 3 processes, but there are 2"):
        place_trials(Run.from_dict({}), Machine(2, 0), processes=3)
