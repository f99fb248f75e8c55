"""The verdict as one HTML file that needs nothing else: no script, no network, no other file.

`verdict.html.j2` is its skeleton and draws the figures as SVG, `verdict.css` its looks, light and dark. Here is what
they show: figures in words, and places in the coordinates of the drawings, which are 360 units wide.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from trainables.settings import format_value

HERE = Path(__file__).parent
ARMS = ("twin", "regularised")
PLACES = {
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
NEVER_SEEN = 0.05  # bits; a colour scale is no narrower, so that noise is not drawn as structure
FEWER, EVEN, MORE = np.array([[11, 79, 158], [240, 242, 246], [182, 82, 0]], float)


class Axis(NamedTuple):
    """A range of values on a range of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round values between the bounds, five or so: where, and what to write."""
        step = _step((self.high - self.low) / 6)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self.at(k * step), f"{k * step:.{digits}f}".replace("-", "−")) for k in range(first, last + 1)]


def render(record: Mapping[str, Any], maps: Mapping[str, np.ndarray]) -> str:
    """The page.

    Args:
        record: as go_no_go.json holds it: plain values, None for what is not finite.
        maps: `ARM/KIND` → float32 `[h, w]`, mean density, sums to 1; empty where nothing was judged.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Any] = {"plain": format_value, "signed": _signed, "facts": _facts}
    environment.filters.update(filters)
    arms = {name: _arrays(arm) for name, arm in record["arms"].items()}
    return environment.get_template("verdict.html.j2").render(
        record=record,
        css=Markup((HERE / "verdict.css").read_text(encoding="utf-8")),
        rows=[_row(each) for each in record["criteria"]],
        passed=sum(each["passed"] for each in record["criteria"]),
        changes=_changes(record, arms) if arms else None,
        scatters=[_scatter(place, arms) for place in PLACES] if arms else [],
        bars=_bars(arms) if arms else None,
        maps=_maps(maps),
        learned=_learned(record["seeds"], arms) if arms else [],
    )


def _arrays(arm: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The figures of an arm by place and by kind of probe, NaN for what is not finite."""
    by_place = {"in_domain": arm["in_domain"], **arm["out_of_domain"]}
    learned = {name: arm[name] for name in ("sigma", "centre_bias_weight")}
    parts = {"gain": by_place, "bias": arm["bias"], "learned": learned}
    return {part: {name: np.array(each, float) for name, each in of.items()} for part, of in parts.items()}


# -- words -----------------------------------------------------------------------------------------------------------


def _row(criterion: Mapping[str, Any]) -> dict[str, Any]:
    unit = criterion["unit"]
    known = criterion["low"] is not None and criterion["high"] is not None
    bounds = f"{_figure(criterion['low'], unit)} to {_figure(criterion['high'], unit)}" if known else "–"
    return {**criterion, "measured": _figure(criterion["value"], unit), "interval": bounds}


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    if unit == "number":
        return f"{value:g}"
    return f"{value:+.1%}".replace("-", "−") if unit == "share" else f"{_signed(value)} bit"


def _signed(value: float | None, digits: int = 3) -> str:
    return "not known" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value) rows; what is nested twice has a row for each part, and what is nested comes in one line."""
    rows = []
    for name, value in values.items():
        parts = (
            value if isinstance(value, Mapping) and any(isinstance(v, Mapping) for v in value.values()) else {"": value}
        )
        rows += [(f"{name} {part}".replace("_", " ").strip(), _fact(each)) for part, each in parts.items()]
    return rows


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(each)}" for name, each in value.items())
    return ", ".join(map(_fact, value)) if isinstance(value, list) else format_value(value)


def _learned(seeds: Sequence[int], arms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By seed: deviation of the blur and weight of the centre bias, of the twin and of the regularised."""
    of = {arm: arms[arm]["learned"] for arm in ARMS}
    return [
        {"seed": seed, **{f"{arm}_{name}": f"{of[arm][name][place]:.4f}" for arm in ARMS for name in of[arm]}}
        for place, seed in enumerate(seeds)
    ]


# -- drawings --------------------------------------------------------------------------------------------------------


def _changes(record: Mapping[str, Any], arms: Mapping[str, Any]) -> dict[str, Any]:
    """Regularised minus twin at every place: mean, interval, and a dot for each seed."""
    rows = []
    for place, title in PLACES.items():
        before, after = (arms[arm]["gain"][place] for arm in ARMS)
        what = "information gain" if place == "in_domain" else "log-likelihood"
        said = f"{what} {before.mean():.3f} → {after.mean():.3f} bit"
        dots = [each for each in (after - before).mean(axis=1).tolist() if math.isfinite(each)]
        rows.append({"title": title, "said": said, "dots": dots, **record["differences"][place]})
    allowed = record["thresholds"]["loss"] * arms["twin"]["gain"]["in_domain"].mean()
    shown = [0.0, *(each for row in rows for each in [*row["dots"], row["low"], row["high"]] if each is not None)]
    shown += [-allowed] if allowed > 0 else []
    axis = Axis(*_around(shown, 0.06), 12, 348)
    for row in rows:
        row["places"] = {name: None if row[name] is None else axis.at(row[name]) for name in ("value", "low", "high")}
        row["dots"] = [axis.at(each) for each in row["dots"]]
    return {"rows": rows, "axis": axis, "zero": axis.at(0), "allowed": axis.at(-allowed) if allowed > 0 else None}


def _scatter(place: str, arms: Mapping[str, Any]) -> dict[str, Any]:
    """Every image: the twin's figure to the right, the regularised one's upwards; means over seeds."""
    x, y = (arms[arm]["gain"][place].mean(axis=0) for arm in ARMS)
    finite = np.isfinite(x) & np.isfinite(y)
    low, high = _around([*x[finite].tolist(), *y[finite].tolist()] or [0.0, 1.0], 0.04)
    right, up = Axis(low, high, 44, 350), Axis(low, high, 306, 10)
    return {
        "title": PLACES[place],
        "what": "information gain" if place == "in_domain" else "log-likelihood",
        "right": right, "up": up, "count": int(finite.sum()), "above": int((y > x)[finite].sum()),
        "points": [(right.at(a), up.at(b)) for a, b in zip(x[finite].tolist(), y[finite].tolist(), strict=True)],
    }  # fmt: skip


def _bars(arms: Mapping[str, Any]) -> dict[str, Any]:
    """The bias on every kind of probe, a bar for each arm and a dot for each seed."""
    seeds = {(arm, kind): each.mean(axis=1) for arm in ARMS for kind, each in arms[arm]["bias"].items()}
    finite = [float(each) for values in seeds.values() for each in values if math.isfinite(each)]
    axis = Axis(0, max([NEVER_SEEN, *finite]) * 1.04, 12, 300)
    groups = []
    for kind in arms["twin"]["bias"]:
        group = []
        for arm in ARMS:
            values = [each for each in seeds[arm, kind].tolist() if math.isfinite(each)]
            mean = sum(values) / len(values) if values else 0.0
            group.append({"arm": arm, "mean": mean, "end": axis.at(mean), "dots": [axis.at(each) for each in values]})
        groups.append({"title": KINDS.get(kind, kind), "bars": group})
    return {"groups": groups, "axis": axis}


def _maps(maps: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Twin and regularised on every kind of probe, as pictures of one colour scale."""
    kinds = list(dict.fromkeys(name.partition("/")[2] for name in maps))
    found = []
    for kind in kinds:
        bits = {arm: _relative_to_uniform(maps[f"{arm}/{kind}"]) for arm in ARMS}
        reach = max(NEVER_SEEN, *(float(np.quantile(np.abs(each), 0.995)) for each in bits.values()))
        pictures = [
            {"arm": arm, "low": float(each.min()), "high": float(each.max()), "data": _png(_coloured(each / reach))}
            for arm, each in bits.items()
        ]
        found.append({"title": KINDS.get(kind, kind), "reach": reach, "pictures": pictures})
    return found


def _relative_to_uniform(density: np.ndarray) -> np.ndarray:
    """Log-density relative to a uniform one in bits; 0 where the map is not finite or empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.log2(density.astype(float) * density.size)
    return np.where(np.isfinite(bits), bits, 0.0)


def _coloured(shares: np.ndarray) -> np.ndarray:
    """Shares of the scale, −1 to 1 → uint8 `[h, w, 3]`."""
    share = shares.clip(-1, 1)[..., None]
    return (EVEN + np.where(share < 0, -share * (FEWER - EVEN), share * (MORE - EVEN))).round().astype(np.uint8)


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def _around(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Bounds of all values with a margin, a share of their range."""
    low, high = min(values), max(values)
    room = (high - low or 1.0) * margin
    return low - room, high + room


def _step(at_least: float) -> float:
    """1, 2 or 5 times a power of ten, not less than this."""
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= at_least * (1 - 1e-9))
