"""Batch norms of two processes against torch's own on the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from tests.support.group import run_group
from trainables.networks.synced_norm import SyncedBatchNorm, synchronise_batch_norms
from trainables.processes import Processes
from trainables.settings import UsageError


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


NUMBERS = (8, 7)  # with the second, one process has an image more than the other


def images(number: int) -> torch.Tensor:
    return 3 + torch.randn(number, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def work(processes: Processes, _folder: Path) -> list[dict]:
    found = []
    for number in NUMBERS:
        net = synchronise_batch_norms(network(), 2).train()
        for _ in range(2):
            net.zero_grad()
            each = net(processes.rows(images(number))).square().mean(dim=1)
            torch.autograd.backward(processes.batch_mean(each))
            processes.average_gradients(net.parameters())
        found.append({"gradients": [each.grad for each in net.parameters()], "state": net.state_dict()})
    return found


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> list[list[dict]]:
    return run_group(work, 2, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("place", range(len(NUMBERS)))
def test_two_processes_normalise_by_the_whole_batch(together, place):
    expected = network().train()
    for _ in range(2):
        expected.zero_grad()
        expected(images(NUMBERS[place])).square().mean(dim=1).mean().backward()
    for each in together:
        found = each[place]
        for gradient, parameter in zip(found["gradients"], expected.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)
        state = expected.state_dict()
        assert found["state"].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(found["state"][name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_alone_it_is_torch_s_own_in_training_and_evaluation():
    plain, synced = network(), synchronise_batch_norms(network(), 2)
    for training in (True, False):
        inputs = torch.randn(6, 2, 6, 6, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(synced.train(training)(inputs), plain.train(training)(inputs), rtol=1e-5, atol=1e-5)
    assert sum(isinstance(each, SyncedBatchNorm) for each in synced.modules()) == 2


def test_a_single_process_keeps_torch_s_own():
    net = network()
    assert synchronise_batch_norms(net, 1) is net
    assert not any(isinstance(each, SyncedBatchNorm) for each in net.modules())


def test_a_network_of_timm_keeps_its_names_and_one_with_other_norms_is_refused():
    net = timm.create_model("test_resnet", num_classes=2)
    names = list(net.state_dict())
    synchronise_batch_norms(net, 2)
    assert list(net.state_dict()) == names
    with pytest.raises(UsageError, match=r"BatchNormAct2d at .* cannot be synchronised"):
        synchronise_batch_norms(timm.create_model("test_efficientnet", num_classes=2), 2)
