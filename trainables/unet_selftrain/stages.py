"""The stages of a training: the supervised one, then the iterations of self-training. Imports no torch."""

from __future__ import annotations

from trainables.stages import Stage
from trainables.unet_selftrain.config import Config


def stage_ends(config: Config) -> tuple[int, ...]:
    """Return the epochs done at the end of each stage: the supervised one, unless its share is 0, then iterations."""
    if not config.iterations:
        return (config.epochs,)
    supervised_epochs = _supervised_epochs(config)
    rest = config.epochs - supervised_epochs
    ends = [supervised_epochs + round(rest * number / config.iterations) for number in range(1, config.iterations + 1)]
    return (supervised_epochs, *ends) if supervised_epochs else tuple(ends)


def is_supervised_first(config: Config) -> bool:
    """Return whether the first stage is the supervised one, and no iteration."""
    return len(stage_ends(config)) > config.iterations


def list_stages(config: Config) -> tuple[Stage, ...]:
    """List the stages in their order; the first iteration comes first where the supervised share is 0."""
    ends, supervised_first = stage_ends(config), is_supervised_first(config)
    iterations = [
        Stage(
            f"iteration_{number}_selftrain",
            end,
            restarts_schedule=True,
            lr_factor=config.retrain_lr,
            first_weights=config.restart_weights,
            fresh_optimizer=config.reset_optimizer,
            keeps_folder=True,
        )
        for number, end in enumerate(ends[supervised_first:], start=1)
    ]
    if not supervised_first:
        return tuple(iterations)
    lr_factor = 1.0 if config.init_from is None else config.retrain_lr
    return (Stage("iteration_0_supervised", ends[0], lr_factor=lr_factor, keeps_folder=True), *iterations)


def iteration(config: Config, epoch: int) -> int:
    """Return the iteration that an epoch (from 0) belongs to; 0 is the supervised stage."""
    return sum(end <= epoch for end in stage_ends(config)) + (not is_supervised_first(config))


def _supervised_epochs(config: Config) -> int:
    if config.supervised_share == 0:
        return 0
    return min(max(round(config.supervised_share * config.epochs), 1), config.epochs - config.iterations)
