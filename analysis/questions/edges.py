"""Whether the best trials press against an end of the searched ranges, and the override that widens them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.questions.answer import Said, figure, listed, quoted, shown
from analysis.questions.evidence import TOP, Evidence
from analysis.questions.leading import foremost
from trainables.settings import UsageError

EDGE = 0.05
"""Outer share of a range, on its own scale, that counts as its edge."""

NEAR = 0.15
"""Where the best trials' median must lie for the best one's place at the edge to be more than chance: alone it gets
there in one setting of ten."""

FEW = 20
"""Values up to which a whole number or a stepped one is at its edge only at its end."""

Press = Literal["at", "near", "alone"]
"""The best trial is at the edge, and most others, or they are near it, or it is alone there."""


@dataclasses.dataclass(frozen=True)
class Edge:
    """A setting whose best value is at the edge of its range.

    Attributes:
        end: of the range; words: the setting with its value and the range; wider: the override that widens it, if it
            can be.
    """

    name: str
    end: Literal["low", "high"]
    press: Press
    words: str
    wider: str | None


def edges(evidence: Evidence) -> Said:
    """Whether the best settings lie at the edge of what was searched."""
    if len(evidence.top) < TOP:
        return "unknown", f"Only {len(evidence.top)} of the {TOP} trials with a result that it takes are there."
    found = found_edges(evidence.experiment)
    pressing = [edge for edge in found if edge.press != "alone"]
    if not pressing:
        words = f"No setting of the best {TOP} trials presses against an end of its range"
        alone = listed([edge.words for edge in found])
        return (
            "good",
            f"{words}; #{foremost(evidence.experiment)} has {alone}, alone among them." if found else f"{words}.",
        )
    wider = [edge.wider for edge in pressing if edge.wider]
    sentence = f"At an end of what was searched: {listed([edge.words for edge in pressing])}."
    fixed = [edge.name for edge in pressing if not edge.wider]
    if fixed:
        sentence += f" {listed(fixed)} cannot go further: that is the bound of the setting itself."
    if wider:
        space = shown(evidence.experiment.path / "space.yaml")
        sentence += f" Search further: python -m search.run space={space} {' '.join(wider)}"
    certain = any(edge.press == "at" and edge.wider for edge in pressing)
    return "bad" if certain else "careful", sentence


def found_edges(experiment: Experiment) -> list[Edge]:
    """The settings at whose edge the proved winner, or else the best trial, lies; none of few trials."""
    first = foremost(experiment)
    others = [trial for trial in experiment.ranked if trial != first]
    if first is None or len(experiment.ranked) < TOP:
        return []
    return _edges(experiment, [first, *others][:TOP])


def _edges(experiment: Experiment, top: list[int]) -> list[Edge]:
    found = []
    ends: tuple[Literal["low", "high"], ...] = ("low", "high")
    for dimension in experiment.space.dimensions:
        kind = dimension.distribution
        values = pd.to_numeric(experiment.settings.loc[top, dimension.name], errors="coerce")
        if hasattr(kind, "choices") or pd.isna(values.iloc[0]):
            continue
        for end in ends:
            press = _press(kind, values.dropna().to_numpy(float), end)
            if press:
                middle = f", median of the best {len(top)} {figure(values.median())}" if press != "alone" else ""
                words = f"{dimension.name} {figure(values.iloc[0])}{middle} (searched {kind.low:g} to {kind.high:g})"
                found.append(Edge(dimension.name, end, press, words, _wider(experiment, dimension.name, kind, end)))
    return found


def _press(kind: Any, values: np.ndarray, end: str) -> Press | None:
    """How the values, the best trial's first, lie at one end of a range."""
    count = (kind.high - kind.low) / kind.step + 1 if kind.step else math.inf
    bound = kind.low if end == "low" else kind.high
    if count <= FEW:  # of three values one in three is an end, so all must be there; of two every one is
        return "at" if count > 2.5 and len(values) > TOP // 2 and np.allclose(values, bound) else None
    low, high, values = (np.log(each) if kind.log else each for each in (kind.low, kind.high, values))
    from_end = np.abs(values - (low if end == "low" else high)) / (high - low)
    outside = (values < low) | (values > high)  # the default settings may lie there
    from_end = np.where(outside & (from_end < 0.5), 0.0, from_end)
    if from_end[0] > EDGE:
        return None
    middle = np.median(from_end) if len(from_end) > TOP // 2 else math.inf
    return "at" if middle <= EDGE and len(from_end) == TOP else "near" if middle <= NEAR else "alone"


def _wider(experiment: Experiment, name: str, kind: Any, end: str) -> str | None:
    """The override that widens a range by half of it, as one would type it; None where the setting takes no more."""
    low, high = kind.low, kind.high
    moved = _moved(kind, end)
    config = experiment.space.entry.Config
    bounds = next(each.metadata for each in dataclasses.fields(config) if each.name == name)
    if bounds.get(end) is not None:
        moved = max(moved, bounds["low"]) if end == "low" else min(moved, bounds["high"])
    try:
        moved = config.accepts(name, moved)
    except UsageError:
        return None
    low, high = (moved, high) if end == "low" else (low, moved)
    if (low, high) == (kind.low, kind.high) or (kind.log and low <= 0):
        return None
    if isinstance(kind.high, int):
        log = f" params.{name}.log=true" if kind.log else ""
        return quoted(f"params.{name}.randint=[{low},{high + 1}]") + log
    if kind.step:
        return quoted(f"params.{name}.quniform=[{low:.12g},{high:.12g},{kind.step:.12g}]")
    return quoted(f"params.{name}.{'loguniform' if kind.log else 'uniform'}=[{low:.12g},{high:.12g}]")


def _moved(kind: Any, end: str) -> float:
    """One end of a range, half a range further out on its scale, to two digits."""
    way = -0.5 if end == "low" else 0.5
    bound = kind.low if end == "low" else kind.high
    moved = bound * (kind.high / kind.low) ** way if kind.log else bound + way * (kind.high - kind.low)
    if isinstance(kind.high, int):
        step = kind.step or 1
        return int(bound + step * math.copysign(max(1, round(abs(moved - bound) / step)), way))
    if kind.step:
        return float(bound + kind.step * math.copysign(math.ceil((kind.high - kind.low) / kind.step / 2), way))
    return float(f"{moved:.2g}")
