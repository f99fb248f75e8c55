"""What a heated classifier would be worth without masks: a copy is fine-tuned for a few steps, and scored.

A heated classifier may be poor by itself, as the method's authors say: its batch norms know masked images alone, and
its last steps were not about the images that count. Early stopping must not judge it so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.images.augment import to_device
from trainables.noise_mask.batches import Batch, Batches
from trainables.noise_mask.config import Config
from trainables.noise_mask.model import recalibrated
from trainables.training.generators import drawing
from trainables.training.weights import decay_groups

_SEED = 20240621  # of the batches: the same in every epoch of every trial
_RECALIBRATION = 1024  # training images that batch norms are measured on


def measure(classifier: nn.Module, batches: Batches) -> None:
    """Measure the batch norms of a classifier anew, in place, on training images without masks.

    Those of every process, which all see the same images.
    """
    with drawing(batches.device, _SEED):  # dropout, where a backbone has it, must not draw from training's stream
        recalibrated(classifier, _plain(batches), batches.device)


def fine_tune(made: nn.Module, batches: Batches, config: Config, steps: int) -> None:
    """Train a copy for so many steps without masks at a falling `ft_lr`.

    A function of its weights alone. With several processes all of them must call it.
    """
    optimizer = torch.optim.AdamW(decay_groups(made, config.ft_lr, config.weight_decay))
    made.train()
    with drawing(batches.device, _SEED, batches.processes.rank):
        for index, batch in enumerate(itertools.islice(_endless(batches), steps)):
            for group in optimizer.param_groups:
                group["lr"] = config.ft_lr * (1 - index / steps)
            optimizer.zero_grad(set_to_none=True)
            errors = F.cross_entropy(made(batch.images).float(), batch.labels, reduction="none")
            torch.autograd.backward(batches.processes.batch_mean(errors))
            batches.processes.average_gradients(made.parameters())
            optimizer.step()


def _endless(batches: Batches) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches.of_epoch(_SEED, epoch)


def _plain(batches: Batches) -> Iterator[Tensor]:
    """Training images without masks and augmentation, evenly chosen, in batches `[b, C, S, S]` of one size."""
    train, size = batches.train, min(batches.size, _RECALIBRATION)
    count = min(len(train), _RECALIBRATION) // size * size
    for rows in torch.linspace(0, len(train) - 1, count).round().long().split(size):
        yield to_device(train, rows, batches.device)[0]
