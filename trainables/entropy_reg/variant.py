"""The variant entropy_reg: data, features, model and training step behind the contract of the loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.entropy_reg import health
from trainables.entropy_reg.backbones import load_backbone
from trainables.entropy_reg.batches import Batch, Batches
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.contentless import Bias, EntropyTerm, Probes
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.features import split_features
from trainables.entropy_reg.judging import Judge
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.panels import draw_panels
from trainables.entropy_reg.prior import Prior, fit_prior
from trainables.entropy_reg.split import Stimuli
from trainables.entropy_reg.step import TrainingStep
from trainables.stages import Stage
from trainables.training.weights import parameter_groups

_FROZEN_LAYERS = 2  # of the readout, while the scanpath network is trained, as published


class EntropyReg(Variant):
    """A model of where people look, regularised towards a uniform density where there is nothing to see.

    Attributes:
        prior: the centre bias of the training fixations.
    """

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.data = data
        self.device, self.processes = context.device, context.processes
        train = load_split(config, data, "train")  # needed for the centre bias, whichever splits are asked for
        self.splits: dict[Split, Stimuli] = {split: load_split(config, data, split) for split in context.splits}
        self.prior: CentreBias = fit_prior(train, data)
        self._features = {
            split: split_features(config, data, stimuli, self.device) for split, stimuli in self.splits.items()
        }
        self._probes = Probes(config, data, self.splits.get("val", train), self.device)
        self._channels = [maps.shape[1] for maps in next(iter(self._features.values()))([0])]
        self.net = DeepGaze(self._channels, config).to(self.device)
        self._exported_prior = Prior(self.prior).to(self.device)
        self._first_bias: Tensor | None = None  # density, before training
        self._least_bias = math.inf  # bits, before the stage and of its epochs so far
        if "train" in self.splits:
            self._batches = Batches(
                config, data, train, self._features["train"], self.prior, self.device, context.seed, self.processes
            )
        term = None
        if config.regulariser == "entropy":
            term = EntropyTerm(config, data, train, self.device, context.seed, self.processes)
        self._step = TrainingStep(config, self.net, term, self.device)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """One; with histories the spatial model first, then the scanpath network with the readout's first layers."""
        end, epochs = self.config.spatial_epochs, self.config.epochs
        if end in (0, epochs):
            return super().stages
        return (Stage("spatial", end, usable=False), Stage("scanpath", epochs, restarts_schedule=True))

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the networks, and the centre bias, for use of the model without the data."""
        return {**self.net.parts(), "prior": self._exported_prior}

    def gradient_parts(self) -> Mapping[str, nn.Module]:
        """Return the networks."""
        return self.net.parts()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights and, without decay, biases, norms, the blur and the centre bias's weight."""
        return parameter_groups({"network": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the epoch's batches."""
        return self._batches.of_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Show histories from their stage on, and train the networks of the stage."""
        with_history = epoch >= self.config.spatial_epochs
        self.net.show_history(with_history)
        self.net.train()
        for layer in list(self.net.readout.layers)[:_FROZEN_LAYERS]:
            layer.requires_grad_(not (with_history and len(self.stages) > 1))
        if epoch in (0, self.config.spatial_epochs):  # with histories the bias is another, so it is measured again
            bias = self.measure_bias()["uniform"]
            self._least_bias = float(bias.bits.mean())
            if epoch == 0:
                self._exported_prior.load_state_dict(Prior(self.prior).state_dict())  # init_from had another's
                self._first_bias = torch.from_numpy(bias.density)

    def step(self, batch: Batch, update: int) -> Step:
        """Compute the loss of a batch."""
        return self._step(batch, update)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Average the metrics over the images of a split, and measure the bias on images without content."""
        metrics = self.score_images(split, self._usual_centre_bias)
        sum_error = metrics.pop("sum_error")
        report = {name: float(values.mean()) for name, values in metrics.items()}
        report["health/density_sum_error"] = float(sum_error.max())
        for kind, bias in self.measure_bias().items():
            suffix = "" if kind == "uniform" else f"_{kind}"
            report[f"bias_information{suffix}_bits"] = float(bias.bits.mean())
            report[f"bias_information{suffix}_of_mean_bits"] = bias.mean_density_bits
        return report | {f"health/{name}": value for name, value in self.finaliser_values().items()}

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the findings, and note the least bias of the epochs so far."""
        findings = health.findings(report, self.config, self._least_bias)
        self._least_bias = min(self._least_bias, report["val/bias_information_bits"])
        return findings

    def state(self) -> dict[str, Any]:
        """Return the bias before training, the least one so far, and the state of the training step."""
        return {"first_bias": self._first_bias, "least_bias": self._least_bias, **self._step.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._first_bias, self._least_bias = state["first_bias"], state["least_bias"]
        self._step.load_state(state)

    def panels(self) -> dict[str, np.ndarray]:
        """Draw a few validation images with their fixations and densities, and the bias before training and now."""
        if "val" not in self.splits:
            return {}
        first_bias = None if self._first_bias is None else self._first_bias.cpu().numpy()
        return draw_panels(self._judge("val", self._usual_centre_bias), self.measure_bias(), first_bias)

    def describe(self) -> dict[str, Any]:
        """Describe the backbone and the centre bias, besides data and networks."""
        backbone = load_backbone(self.config)
        return {
            "backbone": {"digest": backbone.digest, "channels": self._channels},
            **({"first_weights": backbone.first_weights.facts} if backbone.first_weights else {}),
            "centre_bias": {
                "bandwidth": self.prior.bandwidth,
                "uniform_share": self.prior.uniform_share,
                "log_likelihood_bits": self.prior.bits,
                "bandwidth_at_end": self.prior.at_end,
            },
            **super().describe(),
        }

    # -- used by the go/no-go, too ----------------------------------------------------------------------------------

    def score_images(self, split: Split, centre_bias: CentreBias | None) -> dict[str, np.ndarray]:
        """Score every image of a split when the model is shown some centre bias: metrics, float64 `[N]` each.

        Args:
            split: of those that the variant was built with.
            centre_bias: that is shown; None: a uniform one.

        Raises:
            ValueError: the variant was not built with that split.
        """
        self.require_splits(split)
        return self._judge(split, centre_bias).score_images()

    def measure_bias(self) -> dict[str, Bias]:
        """Measure the bias on held-out images without content, by kind, with a uniform centre bias."""
        return self._probes.measure_bias(self.net)

    def finaliser_values(self) -> dict[str, float]:
        """Return the blur's deviation as a share of the longer side, and the centre bias's weight."""
        finaliser = self.net.finaliser
        return {"sigma": finaliser.sigma.item(), "centre_bias_weight": finaliser.centre_bias_weight.item()}

    @property
    def _usual_centre_bias(self) -> CentreBias | None:
        """The centre bias that the model is shown in training."""
        return self.prior if self.config.centre_bias == "kde" else None

    def _judge(self, split: Split, centre_bias: CentreBias | None) -> Judge:
        return Judge(
            net=self.net,
            stimuli=self.splits[split],
            features=self._features[split],
            prior=self.prior,
            centre_bias=centre_bias,
            data=self.data,
            device=self.device,
            processes=self.processes,
        )


build = EntropyReg
