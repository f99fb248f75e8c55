"""Training batches: every image once, whatever came before, on however many processes, and none with its own answer."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.tiny_gaze import config, data, stimuli
from trainables.entropy_reg.batches import Batch, Batches
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.split import Stimuli
from trainables.processes import Processes

CPU = torch.device("cpu")
WIDE, TALL = (48, 64), (64, 48)
HISTORY = {False: {}, True: {"history": "real", "spatial_share": 0.0}}
SHAPES = (WIDE, TALL, WIDE, WIDE, TALL, WIDE, WIDE, TALL, WIDE, WIDE)  # seven and three


def numbered(places):
    """Return maps whose values name their image."""
    return [torch.tensor(list(places), dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 2, 3, 4)]


def pictures(shapes=SHAPES) -> Stimuli:
    """Draw images with 4, 5, … fixations."""
    result = stimuli(shapes, viewers=2, length=8)
    few = [fixation.select(np.arange(4 + index)) for index, fixation in enumerate(result.fixations)]
    return replace(result, fixations=few)


def prior_of(seen: Stimuli) -> CentreBias:
    fixations = [(fixation.points, shape) for fixation, shape in zip(seen.fixations, seen.shapes, strict=True)]
    return CentreBias.fit(fixations, bandwidth=0.1, uniform_share=0.05)


def batches(tmp_path, processes=None, seed=0, shapes=SHAPES, features=numbered, where=None, **values) -> Batches:
    inputs = pictures(shapes)
    settings, data_settings = config(**values), data(tmp_path, **(where or {}))
    return Batches(settings, data_settings, inputs, features, prior_of(inputs), CPU, seed, processes or Processes())


def places(batch: Batch) -> list[int]:
    """Return the indices of the images that a batch shows."""
    return batch.features[0][:, 0, 0, 0].long().tolist()


def equal(one: Batch, other: Batch) -> bool:
    pairs = zip(flat(one), flat(other), strict=True)
    return all(torch.equal(torch.as_tensor(a).nan_to_num(-1), torch.as_tensor(b).nan_to_num(-1)) for a, b in pairs)


def flat(batch: Batch) -> list:
    rest = [item for name, item in batch._asdict().items() if name not in ("features", "history", "shape")]
    history = [] if batch.history is None else [batch.history]
    return [*rest, *batch.features, *history, torch.tensor(batch.shape)]


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("conditional", [True, False])
def test_an_epoch_shows_every_image_once_whatever_the_batch_s_size(tmp_path, size, conditional):
    of = batches(tmp_path, batch_size=size, **HISTORY[conditional])
    counted: Counter[int] = Counter()
    result = list(of.of_epoch(2))
    for batch in result:
        assert set(batch.weights.tolist()) <= {0.0, 1.0}
        assert batch.images == batch.weights.sum() > 0
        assert len(places(batch)) == len(batch.weights) == len(batch.centre_bias) == len(batch.cells) == size
        counted.update(index for index, weight in zip(places(batch), batch.weights, strict=True) if weight)
    assert counted == dict.fromkeys(range(10), 1)
    assert len(result) == of.steps == -(-7 // size) + -(-3 // size)


def test_a_batch_has_images_of_one_shape(tmp_path):
    for batch in batches(tmp_path).of_epoch(0):
        assert {SHAPES[index] for index in places(batch)} == {batch.shape}
        assert batch.centre_bias.shape[1:] == (batch.shape[0] // 4, batch.shape[1] // 4)


def test_batches_of_both_shapes_take_turns(tmp_path):
    of = batches(tmp_path, batch_size=1)
    orders = {tuple(batch.shape for batch in of.of_epoch(epoch)) for epoch in range(20)}
    assert len(orders) > 15


def test_steps_are_counted_over_all_epochs(tmp_path):
    of = batches(tmp_path)
    assert [batch.step for epoch in range(3) for batch in of.of_epoch(epoch)] == list(range(9))


@pytest.mark.parametrize("conditional", [True, False])
def test_an_epoch_is_the_same_whatever_came_before(tmp_path, conditional):
    values = {"regulariser": "dropout", "centre_bias_dropout": 0.5}
    if conditional:
        values |= {"history": "real", "epochs": 6, "spatial_share": 0.5}  # histories from epoch 3 on
    one, other = batches(tmp_path, **values), batches(tmp_path, **values)
    for epoch in range(3):
        list(one.of_epoch(epoch))
    torch.rand(7)
    pairs = list(zip(one.of_epoch(3), other.of_epoch(3), strict=True))
    assert all(equal(*pair) for pair in pairs)
    assert not all(map(equal, one.of_epoch(3), one.of_epoch(4)))


def test_another_seed_has_another_order(tmp_path):
    first, second = (batches(tmp_path, seed=seed).of_epoch(0) for seed in (0, 1))
    assert [places(batch) for batch in first] != [places(batch) for batch in second]


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("world", [2, 4])
def test_the_processes_rows_put_together_are_one_process_s_batch(tmp_path, conditional, world):
    values = {"regulariser": "dropout", "centre_bias_dropout": 0.5, **HISTORY[conditional]}
    single = batches(tmp_path, **values).of_epoch(1)
    parts = [batches(tmp_path, Processes(rank, world), **values).of_epoch(1) for rank in range(world)]
    for batch, *mine in zip(single, *parts, strict=True):
        for rank, part in enumerate(mine):
            rows = slice(rank, None, world)
            assert places(part) == places(batch)[rows]
            for name in ("centre_bias", "weights"):
                assert torch.equal(getattr(part, name), getattr(batch, name)[rows])
            wide = part.cells.shape[1]  # only as many as its own images need
            assert torch.equal(part.cells, batch.cells[rows, :wide])
            assert torch.equal(part.shares, batch.shares[rows, :wide])
            assert not batch.shares[rows, wide:].any()
            if conditional:
                assert torch.equal(part.history.nan_to_num(-1), batch.history[rows].nan_to_num(-1))
            assert (part.step, part.shape) == (batch.step, batch.shape)
        assert {part.images for part in mine} == {batch.images / world}


# -- targets -----------------------------------------------------------------------------------------------------------


def test_targets_are_the_cells_of_all_fixations_with_equal_shares(tmp_path):
    inputs = pictures()
    for batch in batches(tmp_path).of_epoch(0):
        assert batch.history is None
        for row, index in enumerate(places(batch)):
            points = inputs.fixations[index].points
            across = batch.shape[1] // 4
            expected = [int(y // 4) * across + int(x // 4) for x, y in points.tolist()]
            assert batch.cells[row, : len(points)].tolist() == expected
            assert batch.shares[row, : len(points)].tolist() == pytest.approx([1 / len(points)] * len(points))
            assert not batch.shares[row, len(points) :].any()
        torch.testing.assert_close(batch.shares.sum(dim=1), torch.ones(len(batch.shares)))


def test_drawn_targets_have_the_history_that_they_were_recorded_with(tmp_path):
    inputs, result = pictures(), Counter()
    for epoch in range(40):
        for batch in batches(tmp_path, **HISTORY[True]).of_epoch(epoch):
            assert batch.cells.shape == (4, 3)
            assert batch.history.shape == (4, 3, 4, 2)
            assert batch.shares.tolist() == pytest.approx(np.full((4, 3), 1 / 3))
            for row, index in enumerate(places(batch)):
                fixations, across = inputs.fixations[index], batch.shape[1] // 4
                for cell, history in zip(batch.cells[row].tolist(), batch.history[row].numpy(), strict=True):
                    same = (np.nan_to_num(fixations.history, nan=-1) == np.nan_to_num(history, nan=-1)).all(axis=(1, 2))
                    at = {int(y // 4) * across + int(x // 4) for x, y in fixations.points[same].tolist()}
                    assert cell in at
                    result[index, cell] += 1
    full = {index: {cell for at, cell in result if at == index} for index in range(10)}
    for index, fixation in enumerate(inputs.fixations):
        across = SHAPES[index][1] // 4
        assert full[index] == {int(y // 4) * across + int(x // 4) for x, y in fixation.points.tolist()}


def test_the_image_s_history_reaches_back_four_fixations(tmp_path):
    """Viewers have eight fixations: a slot is empty only among the first four."""
    empty = [
        batch.history.isnan().all(dim=3).sum(dim=2)
        for epoch in range(10)
        for batch in batches(tmp_path, **HISTORY[True]).of_epoch(epoch)
    ]
    assert set(torch.cat(empty).flatten().tolist()) == {0, 1, 2, 3, 4}


# -- centre bias -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regulariser", ["none", "entropy"])
def test_the_centre_bias_of_an_image_leaves_its_own_fixations_out(tmp_path, regulariser):
    inputs = pictures()
    prior = prior_of(inputs)
    of = batches(tmp_path, regulariser=regulariser, centre_bias_dropout=0.9)
    for epoch in range(2):  # the second time some of it may have been kept
        for batch in of.of_epoch(epoch):
            for index, result in zip(places(batch), batch.centre_bias, strict=True):
                rest = [
                    (each.points, shape)
                    for number, (each, shape) in enumerate(zip(inputs.fixations, inputs.shapes, strict=True))
                    if number != index
                ]
                refitted = CentreBias.fit(rest, prior.bandwidth, prior.uniform_share)
                np.testing.assert_allclose(result.numpy(), refitted.log_density(result.shape), atol=1e-4)
                assert np.abs(result.numpy() - prior.log_density(result.shape)).max() > 0.01


@pytest.mark.parametrize("regulariser", ["none", "entropy"])
def test_with_a_uniform_one_there_is_none(tmp_path, regulariser):
    for batch in batches(tmp_path, centre_bias="uniform", regulariser=regulariser).of_epoch(0):
        assert not batch.centre_bias.any()


def left_out(of: Batches, epochs=60) -> list[bool]:
    """Tell whether the centre bias of each image that counts was left out."""
    return [
        not result.any()
        for epoch in range(epochs)
        for batch in of.of_epoch(epoch)
        for result, weight in zip(batch.centre_bias, batch.weights, strict=True)
        if weight
    ]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 1.0])
def test_dropout_leaves_out_its_share(tmp_path, share):
    result = left_out(batches(tmp_path, regulariser="dropout", centre_bias_dropout=share))
    deviation = (share * (1 - share) / len(result)) ** 0.5
    assert abs(np.mean(result) - share) <= 4 * deviation


def test_dropout_draws_for_every_image_of_every_step_anew(tmp_path):
    of = batches(tmp_path, regulariser="dropout", centre_bias_dropout=0.5)
    rows = [
        tuple((result == 0).all().item() for result in batch.centre_bias)
        for epoch in range(20)
        for batch in of.of_epoch(epoch)
    ]
    assert len(set(rows)) == 16


@pytest.mark.parametrize("regulariser", ["none", "entropy"])
def test_without_dropout_none_is_left_out(tmp_path, regulariser):
    assert not any(left_out(batches(tmp_path, regulariser=regulariser, centre_bias_dropout=1.0), 3))


@pytest.mark.parametrize("conditional", [True, False])
def test_order_and_fixations_are_the_same_for_all_regularisers(tmp_path, conditional):
    kinds = [
        {"regulariser": "none"},
        {"regulariser": "entropy", "lambda_eff": 3.0},
        {"regulariser": "dropout", "centre_bias_dropout": 0.0},
        {"regulariser": "dropout", "centre_bias_dropout": 0.9},
    ]
    epochs = [list(batches(tmp_path, **values, **HISTORY[conditional]).of_epoch(1)) for values in kinds]
    for first, second, third, last in zip(*epochs, strict=True):
        assert equal(first, second)
        assert equal(first, third)
        assert equal(first, last._replace(centre_bias=first.centre_bias))


def test_features_are_asked_for_once_for_each_batch_and_in_its_order(tmp_path):
    requests = []

    def features(indices):
        requests.append(list(indices))
        return numbered(indices)

    result = list(batches(tmp_path, features=features).of_epoch(0))
    assert requests == [places(batch) for batch in result]
