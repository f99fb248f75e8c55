"""Histories and their stages: the spatial model first, then the scanpath network."""

import pytest
import torch
from safetensors.torch import save_file

from tests.support.loops import trained
from tests.support.tiny_gaze import build
from trainables.files import WEIGHTS
from trainables.objective import Goal, Objective
from trainables.stages import Stage
from trainables.training.loop import Loop
from trainables.training.weights import load_weights

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))
EVERY_3 = {"regulariser": "entropy", "lambda_eff": 0.3, "compute_every": 3}
FORMS = [
    {"where": {"train_size": 10}},
    {**EVERY_3, "where": {"train_size": 14}},  # four batches an epoch, the last one filled up; due at another each time
    {"regulariser": "dropout", "centre_bias_dropout": 0.5, "weight_decay": 0.1},
    {"history": "real", **EVERY_3, "compute_every": 1, "where": {"saccade": 0.1}},
]
NAMES = ["spatial", "entropy", "dropout", "history"]


@pytest.fixture
def loop(cache):
    def make(**values) -> Loop:
        return Loop(build(cache, **values), OBJECTIVE)

    return make


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({"epochs": 10}, [10]),
        ({"epochs": 10, "history": "real"}, [5, 10]),
        ({"epochs": 10, "history": "real", "spatial_share": 0.0}, [10]),
        ({"epochs": 1, "history": "real"}, [1]),
        ({"epochs": 2, "history": "real", "spatial_share": 0.9}, [1, 2]),
        ({"epochs": 4, "history": "real", "spatial_share": 0.9}, [3, 4]),
    ],
)
def test_with_histories_there_are_two_stages_and_the_second_one_is_never_empty(cache, values, ends):
    stages = build(cache, **values).stages
    assert [stage.end for stage in stages] == ends
    if len(ends) == 2:
        assert stages == (Stage("spatial", ends[0], usable=False), Stage("scanpath", ends[1], restarts_schedule=True))


def test_the_scanpath_network_waits_for_its_stage_and_then_the_first_readout_layers_rest(loop):
    output = loop(history="real", where={"saccade": 0.1})
    first = trained(output, 1)
    start = build(output.variant.data.cache, history="real", where={"saccade": 0.1}).net.state_dict()
    second = trained(output, 1)

    def moved(before, after) -> set[str]:
        return {name for name in before if not torch.equal(before[name], after[name])}

    begin = moved(start, first)
    then = moved(first, second)
    assert not [name for name in begin if "scanpath" in name]
    for layer in range(3):
        names = [name for name in first if name.startswith(f"readout.layers.{layer}.")]
        assert set(names) & begin
        assert bool(set(names) & then) is (layer == 2)
    for part in ("scanpath.slots.0.", "scanpath.", "selection.scanpath.", "finaliser."):
        assert any(name.startswith(part) for name in then), part


def test_the_spatial_stage_has_no_histories_and_the_scanpath_stage_has(cache):
    variant = build(cache, history="real")
    for epoch, there in ((0, False), (1, True)):
        variant.begin_epoch(epoch)
        batch = next(variant.batches(epoch))
        assert (batch.history is not None) is there
        assert batch.cells.shape == ((4, 3) if there else (4, 12))


def test_weights_of_a_training_with_histories_are_judged_with_histories_whoever_loads_them(cache, loop, tmp_path):
    """A built variant that is not trained has the weights of an end, and not those of the spatial stage."""
    output = loop(history="real", where={"saccade": 0.1})
    weights = trained(output)
    save_file(weights, tmp_path / WEIGHTS)
    scores = build(cache, seed=3, history="real", where={"saccade": 0.1}, splits=("train", "val", "test"))
    load_weights(tmp_path / WEIGHTS, scores)
    result = scores.evaluate("val")
    for name, value in result.items():
        assert output.report[name if name.startswith("health/") else f"val/{name}"] == value, name
    scores.net.scanpath.shown.fill_(False)
    assert scores.evaluate("val")["log_likelihood_bits"] != result["log_likelihood_bits"]


def test_a_bias_is_compared_with_those_of_its_stage_alone_and_with_that_before_the_first_step(cache):
    """With histories the bits are also of where the eye was."""
    variant = build(cache, epochs=4, history="real")
    for epoch in range(4):
        variant.begin_epoch(epoch)
        begins = epoch in (0, 2)
        assert variant._least_bias == (float(variant.measure_bias()["uniform"].bits.mean()) if begins else 0.01)
        variant._least_bias = 0.01
    plain = build(cache, epochs=4, history="real", spatial_share=0.0)
    plain.begin_epoch(0)
    plain._least_bias = 0.2
    plain.begin_epoch(2)
    assert plain._least_bias == 0.2
