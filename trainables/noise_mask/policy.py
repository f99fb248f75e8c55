"""The policy: from an image to the Beta distributions that the cells of its mask are drawn from.

A feature extractor and two heads give the logarithms of both parameters; they are mixed with running parameters that
are the same for all images. These are running means of the distributions' parameters and no baseline of the reward.

Source: Yavuz and Yang 2024 (arXiv 2406.14568). Different from the published code: the heads are called once per forward
pass, because two calls update their statistics twice; parameters have bounds; running means are over all processes.
"""

from __future__ import annotations

import copy
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.distributions import Beta

from trainables.noise_mask.config import Config
from trainables.processes import Processes
from trainables.settings import UsageError


class Policy(nn.Module):
    """The network from images to Beta distributions.

    Args:
        config: of the training.
        processes: the running parameters follow the batches of all of them.

    Raises:
        UsageError: policy_backbone does not take images of this size.
    """

    base_alpha: Tensor
    base_beta: Tensor

    def __init__(self, config: Config, processes: Processes) -> None:
        super().__init__()
        self.config, self.processes = config, processes
        self.extractor: nn.Module = timm.create_model(
            config.policy_backbone, pretrained=False, num_classes=0, in_chans=config.channels
        )
        features, cells = _count_features(self.extractor, config), config.grid**2
        self.alpha, self.beta = (_build_head(features, config.policy_width, cells) for _ in range(2))
        self.register_buffer("base_alpha", torch.rand(1, cells))
        self.register_buffer("base_beta", torch.rand(1, cells))

    def forward(self, images: Tensor) -> Beta:
        """Return distributions over `[B, grid²]`, row by row, of images `[B, C, S, S]`; float32 also under autocast.

        In training mode, the running parameters then follow the heads.
        """
        features = self.extractor(images)
        with torch.autocast(images.device.type, enabled=False):
            log_alpha, log_beta = self.alpha(features.float()), self.beta(features.float())
            concentrations = self._mix(self.base_alpha, log_alpha), self._mix(self.base_beta, log_beta)
        if self.training:
            self.follow(log_alpha, log_beta)
        return Beta(*concentrations, validate_args=False)  # the bounds hold, and a check would wait for the device

    @torch.no_grad()
    def expected_cells(self, images: Tensor) -> Tensor:
        """Compute the expected values of the cells of some images, `[B, grid²]`, by the weights alone.

        Running parameters and statistics drift without anything being learned, and so do not count.
        """
        heads = copy.deepcopy(self).train()
        for base in (heads.base_alpha, heads.base_beta):
            base.zero_()
        means: Tensor = heads(images).mean
        return means

    @torch.no_grad()
    def follow(self, log_alpha: Tensor, log_beta: Tensor) -> None:
        """Move the running parameters by 1 − base_ema towards the heads' mean over the whole batch.

        Args:
            log_alpha: `[B, grid²]`, this process's.
            log_beta: `[B, grid²]`.
        """
        logs = torch.stack([log_alpha, log_beta])
        # Processes may hold different numbers of images, so sums are added up, and not means averaged.
        sums = self.processes.sum(torch.cat([logs.sum(dim=1).flatten(), logs.new_tensor([len(log_alpha)])]))
        mean_alpha, mean_beta = (sums[:-1] / sums[-1]).view(2, 1, -1)
        self.base_alpha.lerp_(mean_alpha, 1 - self.config.base_ema)
        self.base_beta.lerp_(mean_beta, 1 - self.config.base_ema)

    def _mix(self, base: Tensor, head: Tensor) -> Tensor:
        """Compute clamp(exp(mix · base + (1 − mix) · head), beta_low, beta_high)."""
        logs = self.config.mix * base + (1 - self.config.mix) * head
        parameters: Tensor = _BoundedExp.apply(logs, self.config.beta_low, self.config.beta_high)
        return parameters


class _BoundedExp(torch.autograd.Function):
    """clamp(exp(x)), without a gradient that leads further outside, but with one that leads back: that at the bound.

    The usual clamp has no gradient at all outside: a cell that one large step carried there could come back by the
    movement of other cells alone, and a policy that is outside everywhere would stop learning without a sign of it.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, low: float, high: float) -> Tensor:
        raw = value.exp()
        result = raw.clamp(low, high)
        ctx.save_for_backward(raw, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (raw, result), (gradient,) = ctx.saved_tensors, gradients
        outwards = ((raw < result) & (gradient > 0)) | ((raw > result) & (gradient < 0))  # a step is against it
        return (gradient * result).masked_fill(outwards, 0.0), None, None


def _count_features(extractor: nn.Module, config: Config) -> int:
    """Count the features of an image by a trial, as `num_features` of some models is that before a last layer."""
    image = torch.zeros(1, config.channels, config.image_size, config.image_size)
    try:
        with torch.no_grad():
            return int(extractor.eval()(image).shape[1])
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(
            f"policy_backbone={config.policy_backbone} does not take images of {config.image_size} pixels, {reason}: "
            "take resnet10t."
        ) from error
    finally:
        extractor.train()


def _build_head(features: int, width: int, cells: int) -> nn.Sequential:
    layers = (
        layer for inputs in (features, width) for layer in (nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())
    )
    return nn.Sequential(*layers, nn.Linear(width, cells))
