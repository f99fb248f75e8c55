"""The drawings of a go/no-go's page: positions in SVG drawings 360 units wide, and density maps as PNG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from trainables.entropy_reg.go_no_go.verdict import ARMS

COMPARISONS = {
    "in_domain": "In domain",
    "uniform": "Out of domain, uniform centre bias",
    "source": "Out of domain, source's centre bias",
    "target": "Out of domain, target's centre bias",
}
KINDS = {
    "uniform": "Uniform colour, held out",
    "reflect": "Uniform colour, reflecting padding",
    "scrambled": "Phase-scrambled image",
    "texture": "Texture of low contrast",
}
MIN_SCALE = 0.05
"""Bits; a colour scale is no narrower, so that noise is not drawn as structure."""
LOW_COLOUR, ZERO_COLOUR, HIGH_COLOUR = np.array([[11, 79, 158], [240, 242, 246], [182, 82, 0]], float)

Arrays = Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]
"""Arm → `gain`, `bias` or `parameters` → name → `[seeds, …]`, NaN for values that are not finite."""


class Axis(NamedTuple):
    """A range of values on a range of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def position(self, value: float) -> float:
        """Return the position of a value in the drawing."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About five round values between the bounds: position and label."""
        step = _round_step((self.high - self.low) / 6)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self.position(k * step), f"{k * step:.{digits}f}".replace("-", "−")) for k in range(first, last + 1)]


def draw_differences(record: Mapping[str, Any], arms: Arrays) -> dict[str, Any]:
    """Draw regularised minus twin for every comparison: mean, interval, and a dot per seed."""
    rows = []
    for name, title in COMPARISONS.items():
        twin_gain, regularised_gain = (arms[arm]["gain"][name] for arm in ARMS)
        detail = f"{_metric(name)} {twin_gain.mean():.3f} → {regularised_gain.mean():.3f} bit"
        dots = [value for value in (regularised_gain - twin_gain).mean(axis=1).tolist() if math.isfinite(value)]
        rows.append({"title": title, "detail": detail, "dots": dots, **record["differences"][name]})
    loss_limit = record["thresholds"]["loss"] * arms["twin"]["gain"]["in_domain"].mean()
    values = [0.0, *(value for row in rows for value in [*row["dots"], row["low"], row["high"]] if value is not None)]
    values += [-loss_limit] if loss_limit > 0 else []
    axis = Axis(*_bounds(values, 0.06), 12, 348)
    for row in rows:
        row["x"] = {key: None if row[key] is None else axis.position(row[key]) for key in ("value", "low", "high")}
        row["dots"] = [axis.position(value) for value in row["dots"]]
    limit_position = axis.position(-loss_limit) if loss_limit > 0 else None
    return {"rows": rows, "axis": axis, "zero": axis.position(0), "loss_limit": limit_position}


def draw_scatter(name: str, arms: Arrays) -> dict[str, Any]:
    """Draw every image of a comparison: the twin's value to the right, the regularised one's up; means over seeds."""
    x, y = (arms[arm]["gain"][name].mean(axis=0) for arm in ARMS)
    finite = np.isfinite(x) & np.isfinite(y)
    low, high = _bounds([*x[finite].tolist(), *y[finite].tolist()] or [0.0, 1.0], 0.04)
    right, up = Axis(low, high, 44, 350), Axis(low, high, 306, 10)
    return {
        "title": COMPARISONS[name],
        "metric": _metric(name),
        "right": right,
        "up": up,
        "count": int(finite.sum()),
        "above": int((y > x)[finite].sum()),
        "points": [
            (right.position(a), up.position(b)) for a, b in zip(x[finite].tolist(), y[finite].tolist(), strict=True)
        ],
    }


def draw_bars(arms: Arrays) -> dict[str, Any]:
    """Draw the bias on every kind of probe: a bar per arm and a dot per seed."""
    seed_means = {(arm, kind): bits.mean(axis=1) for arm in ARMS for kind, bits in arms[arm]["bias"].items()}
    finite = [float(value) for values in seed_means.values() for value in values if math.isfinite(value)]
    axis = Axis(0, max([MIN_SCALE, *finite]) * 1.04, 12, 300)
    groups = []
    for kind in arms["twin"]["bias"]:
        bars = []
        for arm in ARMS:
            values = [value for value in seed_means[arm, kind].tolist() if math.isfinite(value)]
            mean = sum(values) / len(values) if values else 0.0
            dots = [axis.position(value) for value in values]
            bars.append({"arm": arm, "mean": mean, "end": axis.position(mean), "dots": dots})
        groups.append({"title": KINDS.get(kind, kind), "bars": bars})
    return {"groups": groups, "axis": axis}


def draw_maps(maps: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Draw the density of both arms on every kind of probe, as panels with one colour scale.

    Args:
        maps: `ARM/KIND` → `[h, w]`, sums to 1.
    """
    groups = []
    for kind in dict.fromkeys(name.partition("/")[2] for name in maps):
        bits = {arm: _relative_to_uniform(maps[f"{arm}/{kind}"]) for arm in ARMS}
        scale = max(MIN_SCALE, *(float(np.quantile(np.abs(values), 0.995)) for values in bits.values()))
        panels = [
            {"arm": arm, "low": float(values.min()), "high": float(values.max()), "data": _png(_colour(values / scale))}
            for arm, values in bits.items()
        ]
        groups.append({"title": KINDS.get(kind, kind), "scale": scale, "panels": panels})
    return groups


def _metric(comparison: str) -> str:
    return "information gain" if comparison == "in_domain" else "log-likelihood"


def _bounds(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Return the bounds of all values with a margin, given as a share of their range."""
    low, high = min(values), max(values)
    room = (high - low or 1.0) * margin
    return low - room, high + room


def _round_step(minimum: float) -> float:
    """Return the least of 1, 2 or 5 times a power of ten that is not below a minimum."""
    power = 10.0 ** math.floor(math.log10(minimum))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum * (1 - 1e-9))


def _relative_to_uniform(density: np.ndarray) -> np.ndarray:
    """Compute the log-density relative to a uniform one in bits; 0 where the map is not finite or empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.log2(density.astype(float) * density.size)
    return np.where(np.isfinite(bits), bits, 0.0)


def _colour(values: np.ndarray) -> np.ndarray:
    """Colour shares of the scale, −1 to 1: uint8 `[h, w, 3]`."""
    share = values.clip(-1, 1)[..., None]
    difference = np.where(share < 0, -share * (LOW_COLOUR - ZERO_COLOUR), share * (HIGH_COLOUR - ZERO_COLOUR))
    return (ZERO_COLOUR + difference).round().astype(np.uint8)


def _png(pixels: np.ndarray) -> str:
    """Encode pixels as a PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
