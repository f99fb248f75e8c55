"""The verdict of a go/no-go: the evidence, the thresholds, and the outcome. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from trainables.entropy_reg.go_no_go.bootstrap import Interval

ARMS = ("twin", "regularised")
"""The config without a regulariser, and the config that is judged."""
CENTRE_BIASES = ("uniform", "source", "target")
"""The centre biases that a model is given out of domain."""

Unit = Literal["share", "bits", "number"]


@dataclass(frozen=True)
class Thresholds:
    """The requirements of GO. Shares are relative to the twin, information is in bits; the defaults are the project's.

    Attributes:
        bias_share: least relative reduction of the bias on uniform probes.
        bias_bits: least absolute reduction of it.
        loss: largest relative loss of information gain in domain.
        loss_low: the same at the lower end of its interval.
        seeds: fewest trainings of each arm.
        confidence: of every interval.
    """

    bias_share: float = 0.25
    bias_bits: float = 0.05
    loss: float = 0.02
    loss_low: float = 0.04
    seeds: int = 3
    confidence: float = 0.95


@dataclass(frozen=True)
class Arm:
    """Results of the trainings of one config: the regularised one, or its twin without a regulariser.

    Attributes:
        in_domain: float64 `[seeds, images]`, information gain over the source's centre bias in bits per fixation.
        out_of_domain: given centre bias (`CENTRE_BIASES`) → float64 `[seeds, images']`, log-likelihood in bits per
            fixation relative to a uniform density. Differences of it are differences of information gain.
        bias: kind of probe → float64 `[seeds, probes]`, information of the density on images without content, bits.
        sigma: `[seeds]`, learned deviation of the blur.
        centre_bias_weight: `[seeds]`, learned weight of the centre bias.
    """

    in_domain: np.ndarray
    out_of_domain: Mapping[str, np.ndarray]
    bias: Mapping[str, np.ndarray]
    sigma: np.ndarray
    centre_bias_weight: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All values, by names for people."""
        outside = {f"out of domain, {name} centre bias": values for name, values in self.out_of_domain.items()}
        bias = {f"bias on {kind} probes": values for kind, values in self.bias.items()}
        parameters = {"sigma": self.sigma, "centre-bias weight": self.centre_bias_weight}
        return {"in domain": self.in_domain, **outside, **bias, **parameters}


class Evidence(NamedTuple):
    """The results of both arms; empty mappings where nothing was judged.

    Attributes:
        arms: by name.
        maps: `ARM/KIND` → density on images without content, `[h, w]`, mean over probes and seeds.
        facts: of the variant about its data, in and out of domain.
    """

    arms: Mapping[str, Arm]
    maps: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict.

    Attributes:
        name: what is judged.
        threshold: the requirement, in words.
        value: the measured value, in `unit`.
        low: lower end of its interval; NaN where there is none.
        high: upper end of its interval; NaN where there is none.
        passed: whether the requirement is met.
        reason: a clause that says why it passed or failed.
        unit: of value, low and high.
    """

    name: str
    threshold: str
    value: float
    low: float
    high: float
    passed: bool
    reason: str
    unit: Unit


@dataclass(frozen=True)
class Verdict:
    """The decision.

    Attributes:
        go: whether the regularised config may replace its twin.
        reason: one sentence with what decided.
        criteria: GO requires all of them.
        differences: `in_domain` and every given centre bias out of domain → regularised minus twin, bits per fixation.
    """

    go: bool
    reason: str
    criteria: tuple[Criterion, ...]
    differences: Mapping[str, Interval]
