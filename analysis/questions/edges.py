"""The question whether the best trials lie at an edge of the searched ranges, and the override that widens them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.questions.answer import Outcome, quote_path, quote_word
from analysis.questions.evidence import TOP, Evidence
from analysis.questions.leaders import find_leader
from analysis.wording import format_digits, inflect, join_words
from trainables.settings import UsageError

EDGE_SHARE = 0.05
"""Outer share of a range, on its own scale, that counts as its edge."""

NEAR_SHARE = 0.15
"""Outer share within which the median of the best trials must lie, for the best one to be at the edge by more than
chance: a single trial is at an edge of one setting in ten."""

MAX_STEPS = 20
"""Number of values up to which a discrete setting is at its edge only with its extreme value."""

Press = Literal["at", "near", "alone"]
"""The best trial is at the edge, and most others are there too, or near it, or it is alone there."""


@dataclasses.dataclass(frozen=True)
class Edge:
    """A setting whose best value is at the edge of its range.

    Attributes:
        end: of the range.
        press: how many of the best trials lie there.
        description: the setting with its value and the range.
        override: widens the range; None where that is impossible.
    """

    name: str
    end: Literal["low", "high"]
    press: Press
    description: str
    override: str | None


def judge_edges(evidence: Evidence) -> Outcome:
    """Judge whether the best settings lie at the edge of the searched ranges."""
    edges = find_edges(evidence.experiment)
    common = [edge for edge in edges if edge.press != "alone"]
    if not common:
        sentence = f"The best {TOP} trials do not lie together at an end of any range"
        if edges:
            settings = join_words([edge.description for edge in edges])
            sentence += f"; #{find_leader(evidence.experiment)} itself does: {settings}"
        return "good", f"{sentence}."
    overrides = [edge.override for edge in common if edge.override]
    sentence = f"At an end of the searched range: {join_words([edge.description for edge in common])}."
    fixed = [edge.name for edge in common if not edge.override]
    if fixed:
        bounds = inflect(len(fixed), "that is the bound of the setting itself", "those are the settings' own bounds")
        sentence += f" {join_words(fixed)} cannot go further: {bounds}."
    if overrides:
        space = quote_path(evidence.experiment.path / "space.yaml")
        sentence += f" Search further: python -m search.run space={space} {' '.join(overrides)}"
    is_certain = any(edge.press == "at" and edge.override for edge in common)
    return "bad" if is_certain else "careful", sentence


def find_edges(experiment: Experiment) -> list[Edge]:
    """Find the settings at whose edge the proof's winner, or else the best trial, lies; none below five trials."""
    leader = find_leader(experiment)
    followers = [trial for trial in experiment.ranking if trial != leader]
    if leader is None or len(experiment.ranking) < TOP:
        return []
    return _find_edges_of(experiment, [leader, *followers][:TOP])


def _find_edges_of(experiment: Experiment, top: list[int]) -> list[Edge]:
    edges = []
    ends: tuple[Literal["low", "high"], ...] = ("low", "high")
    for dimension in experiment.space.dimensions:
        kind = dimension.distribution
        values = pd.to_numeric(experiment.settings.loc[top, dimension.name], errors="coerce")
        if hasattr(kind, "choices") or pd.isna(values.iloc[0]):
            continue
        for end in ends:
            press = _press(kind, values.dropna().to_numpy(float), end)
            if press:
                middle = f", median of the best {len(top)} {format_digits(values.median())}" if press != "alone" else ""
                description = (
                    f"{dimension.name} {format_digits(values.iloc[0])}{middle} (searched {kind.low:g} to {kind.high:g})"
                )
                override = _widen(experiment, dimension.name, kind, end)
                edges.append(Edge(dimension.name, end, press, description, override))
    return edges


def _press(kind: Any, values: np.ndarray, end: str) -> Press | None:
    """Return how the values, the best trial's first, lie at one end of a range; None where the best does not."""
    count = (kind.high - kind.low) / kind.step + 1 if kind.step else math.inf
    bound = kind.low if end == "low" else kind.high
    if count <= MAX_STEPS:  # of three values one in three is this end, so all trials must be there; of two, half
        return "at" if count > 2.5 and len(values) > TOP // 2 and np.allclose(values, bound) else None
    low, high, values = (np.log(array) if kind.log else array for array in (kind.low, kind.high, values))
    distance = np.abs(values - (low if end == "low" else high)) / (high - low)
    is_outside = (values < low) | (values > high)  # the default settings may lie there
    distance = np.where(is_outside & (distance < 0.5), 0.0, distance)
    if distance[0] > EDGE_SHARE:
        return None
    median = np.median(distance) if len(distance) > TOP // 2 else math.inf
    return "at" if median <= EDGE_SHARE and len(distance) == TOP else "near" if median <= NEAR_SHARE else "alone"


def _widen(experiment: Experiment, name: str, kind: Any, end: str) -> str | None:
    """Return the override, as typed, that widens a range by half of it; None where the setting's bounds forbid it."""
    low, high = kind.low, kind.high
    bound = _move_end(kind, end)
    config = experiment.space.entry.Config
    bounds = next(field.metadata for field in dataclasses.fields(config) if field.name == name)
    if bounds.get(end) is not None:
        bound = max(bound, bounds["low"]) if end == "low" else min(bound, bounds["high"])
    try:
        bound = config.convert(name, bound)
    except UsageError:
        return None
    low, high = (bound, high) if end == "low" else (low, bound)
    if (low, high) == (kind.low, kind.high) or (kind.log and low <= 0):
        return None
    if isinstance(kind.high, int):
        log = f" params.{name}.log=true" if kind.log else ""
        return quote_word(f"params.{name}.randint=[{low},{high + 1}]") + log
    if kind.step:
        return quote_word(f"params.{name}.quniform=[{low:.12g},{high:.12g},{kind.step:.12g}]")
    return quote_word(f"params.{name}.{'loguniform' if kind.log else 'uniform'}=[{low:.12g},{high:.12g}]")


def _move_end(kind: Any, end: str) -> float:
    """Return one end of a range, moved outwards by half the range on its scale, to two digits."""
    factor = -0.5 if end == "low" else 0.5
    bound = kind.low if end == "low" else kind.high
    target = bound * (kind.high / kind.low) ** factor if kind.log else bound + factor * (kind.high - kind.low)
    if isinstance(kind.high, int):
        step = kind.step or 1
        return int(bound + step * math.copysign(max(1, round(abs(target - bound) / step)), factor))
    if kind.step:
        return float(bound + kind.step * math.copysign(math.ceil((kind.high - kind.low) / kind.step / 2), factor))
    return float(f"{target:.2g}")
