"""The variant entropy_reg: data, features, model and losses put together behind the contract that the loop knows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.entropy_reg import backbones, health, panels
from trainables.entropy_reg.batches import Batch, Batches
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.contentless import Bias, EntropyTerm, Probes
from trainables.entropy_reg.data import load
from trainables.entropy_reg.features import features
from trainables.entropy_reg.judging import Judge
from trainables.entropy_reg.losses import mean_over, negative_log_likelihood
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.prior import Prior, fitted
from trainables.entropy_reg.stimuli import Stimuli
from trainables.stages import Stage
from trainables.training.weights import parameter_groups

_RESTING = 2  # layers of the readout that rest while the scanpath network is trained, as published


class EntropyReg(Variant):
    """A model of where people look, kept from looking anywhere in particular where there is nothing to see.

    Attributes:
        prior: the centre bias of the training fixations.
    """

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.data = data
        self.device, self.processes = context.device, context.processes
        train = load(config, data, "train")  # the centre bias is made of its fixations, whatever is asked for
        self.stimuli: dict[Split, Stimuli] = {split: load(config, data, split) for split in context.splits}
        self.prior: CentreBias = fitted(train, data)
        self._features = {split: features(config, data, each, self.device) for split, each in self.stimuli.items()}
        self._probes = Probes(config, data, self.stimuli.get("val", train), self.device)
        self._channels = [each.shape[1] for each in next(iter(self._features.values()))([0])]
        self.net = DeepGaze(self._channels, config).to(self.device)
        self._exported_prior = Prior(self.prior).to(self.device)
        self._first_bias: Tensor | None = None  # density, before training
        self._least_bias = math.inf  # bits, before the stage and of its epochs so far
        self._last_entropy = torch.zeros((), device=self.device)
        if "train" in self.stimuli:
            self._batches = Batches(
                config, data, train, self._features["train"], self.prior, self.device, context.seed, self.processes
            )
        if config.regulariser == "entropy":
            self._term = EntropyTerm(config, data, train, self.device, context.seed, self.processes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """One; with histories the spatial model first, then the scanpath network with the readout's first layers."""
        end = min(round(self.config.spatial_share * self.config.epochs), self.config.epochs - 1)
        if self.config.history == "none" or end == 0:
            return super().stages
        return (Stage("spatial", end), Stage("scanpath", self.config.epochs, restarts_schedule=True))

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """The networks, and the centre bias for whoever uses the model without the data."""
        return {**self.net.parts(), "prior": self._exported_prior}

    def gradient_parts(self) -> Mapping[str, nn.Module]:
        """The networks."""
        return self.net.parts()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights and, without decay, biases, norms, the blur and the centre bias's weight."""
        return parameter_groups({"network": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        return self._batches.of_epoch(epoch, conditional=self.net.conditional)

    def begin_epoch(self, epoch: int) -> None:
        """Which of the networks are trained follows the stage."""
        begins = epoch == 0 or self._has_history(epoch) != self._has_history(epoch - 1)
        if self.net.scanpath is not None:
            self.net.scanpath.shown.fill_(self._has_history(epoch))
        self.net.train()
        for layer in list(self.net.readout.layers)[:_RESTING]:
            layer.requires_grad_(not (self.net.conditional and len(self.stages) > 1))
        if begins:  # with a history the bits are others: what bias grows from is measured anew
            before = self.measured()["uniform"]
            self._least_bias = float(before.bits.mean())
        if epoch == 0:
            self._exported_prior.load_state_dict(Prior(self.prior).state_dict())  # init_from had another's
            self._first_bias = torch.from_numpy(before.density)

    def step(self, batch: Batch, update: int) -> Step:
        """The negative log-likelihood, and at the steps that it is due at the entropy of images without content."""
        density = self.net(batch.features, batch.shape, batch.centre_bias, batch.history)
        each = negative_log_likelihood(density, batch.cells, batch.shares)
        loss = mean_over(each, batch.weights, batch.images)
        parts = {"raw/nll_bits": loss.detach()}
        if self.config.regulariser == "entropy":
            due = self._term.due(batch.step)
            if due:
                loss = self._regularised(loss, batch.step)
            share = torch.full((), float(due), device=self.device)
            parts |= {"raw/entropy_bits": self._last_entropy, "health/regulariser_share": share}
        return Step(loss, parts)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Means over the images of a split, and the bias on probes without content."""
        given = self.prior if self.config.centre_bias == "kde" else None
        each = self.judged(split, given)
        error = each.pop("sum_error")
        found = {name: float(values.mean()) for name, values in each.items()}
        found["health/density_sum_error"] = float(error.max())
        for kind, bias in self.measured().items():
            suffix = "" if kind == "uniform" else f"_{kind}"
            found[f"bias_information{suffix}_bits"] = float(bias.bits.mean())
            found[f"bias_information{suffix}_of_mean_bits"] = bias.of_mean
        learned = {f"health/{name}": value for name, value in self.learned().items()}
        return {**found, **learned}

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds, with the least bias of the epochs before."""
        found = health.findings(report, self.config, self._least_bias)
        self._least_bias = min(self._least_bias, report["val/bias_information_bits"])
        return found

    def state(self) -> dict[str, Any]:
        """The bias before training and the least one so far, and the entropy that was computed last."""
        return {
            "first_bias": self._first_bias,
            "least_bias": self._least_bias,
            "last_entropy": self._last_entropy,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._first_bias, self._least_bias = state["first_bias"], state["least_bias"]
        self._last_entropy = state["last_entropy"].to(self.device)

    def panels(self) -> dict[str, np.ndarray]:
        """A few validation images with their fixations and densities, and the bias before training and now."""
        if "val" not in self.stimuli:
            return {}
        judge = self._judge("val", self.prior if self.config.centre_bias == "kde" else None)
        before = None if self._first_bias is None else self._first_bias.cpu().numpy()
        return {**panels.images(judge, self.net), "bias": panels.bias(self.measured(), before)}

    def describe(self) -> dict[str, Any]:
        """Splits, the centre bias, what the backbone is, and the parameters that are trained."""
        return {
            "splits": {split: each.describe() for split, each in self.stimuli.items()},
            "backbone": {"digest": backbones.of(self.config).digest, "channels": self._channels},
            "centre_bias": {
                "bandwidth": self.prior.bandwidth,
                "uniform_share": self.prior.uniform_share,
                "log_likelihood_bits": self.prior.bits,
                "bandwidth_at_end": self.prior.at_end,
            },
            "parameters": {name: sum(map(Tensor.numel, part.parameters())) for name, part in self.net.parts().items()},
        }

    # -- what a go/no-go page asks for -----------------------------------------------------------------------------

    def judged(self, split: Split, given: CentreBias | None) -> dict[str, np.ndarray]:
        """The figures of every image of a split, float64 `[N]` each, when the model is shown some centre bias.

        Args:
            split: of those that the variant was built with.
            given: the centre bias; None: a uniform one.

        Raises:
            ValueError: the variant was not built with that split.
        """
        if split not in self.stimuli:
            raise ValueError(f"to evaluate {split}, build the variant with the {split} split too")
        return self._judge(split, given).figures(self.net)

    def measured(self) -> dict[str, Bias]:
        """The bias on held-out images without content, by kind, with a uniform centre bias."""
        return self._probes.measured(self.net, conditional=self.net.conditional)

    def learned(self) -> dict[str, float]:
        """The blur's deviation as a share of the longer side, and the centre bias's weight."""
        finaliser = self.net.finaliser
        return {"sigma": finaliser.sigma.item(), "centre_bias_weight": finaliser.centre_bias_weight.item()}

    # -- parts -----------------------------------------------------------------------------------------------------

    def _judge(self, split: Split, given: CentreBias | None) -> Judge:
        return Judge(
            stimuli=self.stimuli[split],
            features=self._features[split],
            prior=self.prior,
            given=given,
            data=self.data,
            device=self.device,
            processes=self.processes,
            conditional=self.net.conditional,
        )

    def _regularised(self, loss: Tensor, step: int) -> Tensor:
        """With the entropy times what it has missed since the step before; without its weight, the loss as it is."""
        with torch.set_grad_enabled(self.config.weighted):
            found = self._term.mean(self.net, step, conditional=self.net.conditional)
        self._last_entropy = found.detach()
        weight = self.config.lambda_eff * self.config.compute_every
        return loss - weight * found if self.config.weighted else loss

    def _has_history(self, epoch: int) -> bool:
        if self.config.history == "none":
            return False
        return len(self.stages) == 1 or epoch >= self.stages[0].end


build = EntropyReg
