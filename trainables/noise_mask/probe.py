"""The probe of a heated classifier: a copy that is fine-tuned for a few steps, to be scored without masks.

A heated classifier may be poor by itself, as the method's authors say: its batch norms know masked images alone, and
its last steps were on masked images. Early stopping must not judge it so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.images.augment import to_device
from trainables.noise_mask.batches import Batch, Batches
from trainables.noise_mask.config import Config
from trainables.noise_mask.model import recalibrate
from trainables.training.generators import fork_generators
from trainables.training.weights import decay_groups

_SEED = 20240621  # of the batches: the same in every epoch of every trial
_IMAGES = 1024  # training images that batch norms are measured on


def measure_batch_norms(network: nn.Module, batches: Batches) -> None:
    """Measure the batch norms of a classifier anew, in place, on training images without masks.

    All processes measure on the same images, so their statistics stay equal.
    """
    # Dropout, where a backbone has it, must not draw from training's stream.
    with fork_generators(batches.device, _SEED):
        recalibrate(network, _images_without_masks(batches), batches.device)


def fine_tune(network: nn.Module, batches: Batches, config: Config, steps: int) -> None:
    """Train a copy for some steps without masks at a falling `ft_lr`.

    A function of its weights alone. With several processes all of them must call it.
    """
    optimizer = torch.optim.AdamW(decay_groups(network, config.ft_lr, config.weight_decay))
    network.train()
    with fork_generators(batches.device, _SEED, batches.processes.rank):
        for index, batch in enumerate(itertools.islice(_endless_batches(batches), steps)):
            for group in optimizer.param_groups:
                group["lr"] = config.ft_lr * (1 - index / steps)
            optimizer.zero_grad(set_to_none=True)
            errors = F.cross_entropy(network(batch.images).float(), batch.labels, reduction="none")
            torch.autograd.backward(batches.processes.batch_mean(errors))
            batches.processes.average_gradients(network.parameters())
            optimizer.step()


def _endless_batches(batches: Batches) -> Iterator[Batch]:
    fixed_batches = replace(batches, seed=_SEED)
    for epoch in itertools.count():
        yield from fixed_batches.of_epoch(epoch)


def _images_without_masks(batches: Batches) -> Iterator[Tensor]:
    """Choose training images evenly, without augmentation, in batches `[b, C, S, S]` of one size."""
    train, size = batches.train, min(batches.size, _IMAGES)
    count = min(len(train), _IMAGES) // size * size
    for rows in torch.linspace(0, len(train) - 1, count).round().long().split(size):
        yield to_device(train, rows, batches.device)[0]
