"""Batch norms of two processes against torch's own on the whole batch."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from group import run_group
from torch import nn

from trainables.settings import UsageError
from trainables.synced_norm import SyncedBatchNorm, synchronised

GROUP = """
import os, sys
from pathlib import Path
import torch
import torch._dynamo
import torch.multiprocessing
from trainables.processes import Processes
from trainables.synced_norm import synchronised

def work(rank, out):
    os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    given = torch.load(out / "given.pt", weights_only=False)
    net = synchronised(given["net"], 2).train()
    for _ in range(2):
        net.zero_grad()
        each = net(processes.rows(given["inputs"])).square().mean(dim=1)
        processes.batch_mean(each).backward()
        processes.average_gradients(net.parameters())
    torch.save({"gradients": [p.grad for p in net.parameters()], "state": net.state_dict()}, out / f"rank-{rank}.pt")
    processes.barrier()
    processes.leave()

torch.multiprocessing.start_processes(work, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
"""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 5),
        nn.BatchNorm1d(5, momentum=None),
    )


@pytest.mark.parametrize("number", [8, 7])
def test_two_processes_normalise_by_the_whole_batch(tmp_path, number):
    """Also where one has a row more than the other."""
    inputs = 3 + torch.randn(number, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    net = network()
    torch.save({"net": net, "inputs": inputs}, tmp_path / "given.pt")
    run_group(GROUP, 2, tmp_path)
    expected = copy.deepcopy(net).train()
    for _ in range(2):
        expected.zero_grad()
        expected(inputs).square().mean(dim=1).mean().backward()
    for rank in (0, 1):
        found = torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True)
        for gradient, parameter in zip(found["gradients"], expected.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)
        state = expected.state_dict()
        assert found["state"].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(found["state"][name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_alone_it_is_torch_s_own_in_training_and_evaluation():
    plain, synced = network(), synchronised(network(), 2)
    for training in (True, False):
        inputs = torch.randn(6, 2, 6, 6, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(synced.train(training)(inputs), plain.train(training)(inputs), rtol=1e-5, atol=1e-5)
    assert sum(isinstance(each, SyncedBatchNorm) for each in synced.modules()) == 2


def test_a_single_process_keeps_torch_s_own():
    net = network()
    assert synchronised(net, 1) is net
    assert not any(isinstance(each, SyncedBatchNorm) for each in net.modules())


def test_a_network_of_timm_keeps_its_names_and_one_with_other_norms_is_refused():
    net = timm.create_model("test_resnet", num_classes=2)
    names = list(net.state_dict())
    synchronised(net, 2)
    assert list(net.state_dict()) == names
    with pytest.raises(UsageError, match=r"BatchNormAct2d at .* cannot be synchronised"):
        synchronised(timm.create_model("test_efficientnet", num_classes=2), 2)
