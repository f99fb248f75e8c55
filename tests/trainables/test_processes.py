"""One process for which everything is free, and two or three real ones that together compute what one would."""

from pathlib import Path

import pytest
import torch

from tests.support.group import run_group
from tests.support.linear import figures, linear_loop
from trainables.files import RESULT, read_lines
from trainables.processes import Processes
from trainables.training.folder import TrainingFolder


def sharing(processes: Processes, _folder: Path) -> dict:
    norm = torch.nn.BatchNorm1d(2)
    assert norm.running_mean is not None
    assert norm.num_batches_tracked is not None
    norm.running_mean += processes.rank + 1
    norm.num_batches_tracked += processes.rank
    norm.weight.data += processes.rank
    processes.average_buffers([torch.nn.Sequential(norm)])
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 10.0]) * (processes.rank + 1)
    processes.average_gradients([parameter, torch.nn.Parameter(torch.zeros(1))])
    things = [[index] * index for index in range(8)]  # of a different size each
    return {
        "world": processes.world,
        "first": processes.first,
        "gradient": parameter.grad.tolist(),
        "sum": processes.sum(torch.tensor(float(processes.rank + 1))).item(),
        "mean": processes.mean(torch.tensor(float(processes.rank + 1))).item(),
        "rows": [processes.gather_rows(processes.rows(torch.arange(rows)), rows).tolist() for rows in range(1, 8)],
        "things": [processes.gather([things[place] for place in processes.indices(n)], n) for n in range(1, 8)],
        "running_mean": norm.running_mean.tolist(),
        "left_alone": [norm.num_batches_tracked.item(), *norm.weight.tolist()],
    }


def training(processes: Processes, folder: Path) -> dict[str, torch.Tensor]:
    made = TrainingFolder(folder / "trained", linear_loop(processes=processes, noise=0.5, epochs=3), {})
    while not made.loop.finished:
        made.run_epoch()
    made.close()
    return made.loop.weights()


@pytest.mark.parametrize(("world", "mean"), [(2, 1.5), (3, 2.0)])
def test_processes_reduce_and_gather(world, mean, tmp_path):
    found = run_group(sharing, world, tmp_path)
    assert len(found) == world
    assert [each["first"] for each in found] == [True, *(False for _ in found[1:])]
    for rank, each in enumerate(found):
        assert each["world"] == len(found)
        assert each["gradient"] == [mean, 10 * mean]
        assert (each["sum"], each["mean"]) == (mean * len(found), mean)
        assert each["rows"] == [list(range(rows)) for rows in range(1, 8)]
        assert each["things"] == [[[index] * index for index in range(total)] for total in range(1, 8)]
        assert each["running_mean"] == [mean, mean]
        assert each["left_alone"] == [rank, 1 + rank, 1 + rank]


def test_two_processes_train_as_one_would(tmp_path):
    together = run_group(training, 2, tmp_path)
    alone = linear_loop(noise=0.5, epochs=3)
    expected = [alone.run_epoch() for _ in range(3)]
    reports = read_lines(tmp_path / "trained" / RESULT)
    assert len(reports) == 3  # of two processes, one writes
    for line, report in zip(reports, expected, strict=True):
        assert figures(line) == pytest.approx(figures(report), rel=1e-4)
    for weights in together:
        for name, value in alone.weights().items():
            torch.testing.assert_close(weights[name], value)


def test_a_single_process_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    processes = Processes.from_environment()
    whole = torch.arange(5.0, requires_grad=True)
    assert processes == Processes(0, 1)
    assert processes.first
    assert torch.equal(processes.rows(whole), whole)
    assert torch.equal(processes.gather_rows(whole, 5), whole)
    assert processes.gather(["a", "b"], 2) == ["a", "b"]
    assert list(processes.indices(5)) == [0, 1, 2, 3, 4]
    assert not processes.sum(whole).requires_grad
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    processes.average_gradients([parameter])
    assert torch.equal(parameter.grad, torch.ones(2))
    TrainingFolder(tmp_path, linear_loop(processes=processes), {}).close()
    processes.barrier()
    processes.leave()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_the_rows_of_all_processes_are_the_batch(world):
    whole = torch.arange(5)
    shares = [Processes(rank, world).rows(whole) for rank in range(world)]
    assert sorted(torch.cat(shares).tolist()) == whole.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
