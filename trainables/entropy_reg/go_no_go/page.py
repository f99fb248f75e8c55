"""The page of a go/no-go: one HTML file that needs nothing else, no script, no network, no other file.

`page.html.j2` is the skeleton and draws SVG, `page.css` the style, light and dark. This module puts values into words;
`drawings` computes positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from trainables.entropy_reg.go_no_go.drawings import (
    COMPARISONS,
    Arrays,
    draw_bars,
    draw_differences,
    draw_maps,
    draw_scatter,
)
from trainables.entropy_reg.go_no_go.verdict import ARMS
from trainables.settings import format_value

FOLDER = Path(__file__).parent
PARAMETERS = ("sigma", "centre_bias_weight")


def render(record: Mapping[str, Any], maps: Mapping[str, np.ndarray]) -> str:
    """Render the page.

    Args:
        record: as in go_no_go.json: plain values, None for what is not finite.
        maps: `ARM/KIND` → float32 `[h, w]`, mean density, sums to 1; empty where nothing was judged.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"plain": format_value, "signed": _with_sign, "facts": _fact_rows}
    environment.filters.update(filters)
    arms = {name: _arrays(arm) for name, arm in record["arms"].items()}
    return environment.get_template("page.html.j2").render(
        record=record,
        css=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        rows=[_criterion_row(criterion) for criterion in record["criteria"]],
        passed=sum(criterion["passed"] for criterion in record["criteria"]),
        differences=draw_differences(record, arms) if arms else None,
        scatters=[draw_scatter(name, arms) for name in COMPARISONS] if arms else [],
        bars=draw_bars(arms) if arms else None,
        maps=draw_maps(maps),
        parameters=_parameter_rows(record["seeds"], arms) if arms else [],
    )


def _arrays(arm: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Convert an arm of the record to arrays, by part and by name; None becomes NaN."""
    parts = {
        "gain": {"in_domain": arm["in_domain"], **arm["out_of_domain"]},
        "bias": arm["bias"],
        "parameters": {name: arm[name] for name in PARAMETERS},
    }
    return {part: {name: np.array(values, float) for name, values in arrays.items()} for part, arrays in parts.items()}


def _criterion_row(criterion: Mapping[str, Any]) -> dict[str, Any]:
    """Put a criterion's value and interval into words."""
    unit = criterion["unit"]
    has_interval = criterion["low"] is not None and criterion["high"] is not None
    interval = (
        f"{_format_unit(criterion['low'], unit)} to {_format_unit(criterion['high'], unit)}" if has_interval else "–"
    )
    return {**criterion, "measurement": _format_unit(criterion["value"], unit), "interval": interval}


def _format_unit(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    if unit == "number":
        return f"{value:g}"
    return f"{value:+.1%}".replace("-", "−") if unit == "share" else f"{_with_sign(value)} bit"


def _with_sign(value: float | None, digits: int = 3) -> str:
    return "not known" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _fact_rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (name, value) rows: one per part of a mapping that holds mappings, one per other value."""
    rows = []
    for name, value in values.items():
        is_nested = isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values())
        parts = value if is_nested else {"": value}
        rows += [(f"{name} {part}".replace("_", " ").strip(), _format_fact(item)) for part, item in parts.items()]
    return rows


def _format_fact(value: Any) -> str:
    """Write a value in one line, whatever is nested in it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_format_fact(item)}" for name, item in value.items())
    return ", ".join(map(_format_fact, value)) if isinstance(value, list) else format_value(value)


def _parameter_rows(seeds: Sequence[int], arms: Arrays) -> list[dict[str, Any]]:
    """Return a row per seed with both arms' learned parameters: deviation of the blur, weight of the centre bias."""
    return [
        {
            "seed": seed,
            **{f"{arm}_{name}": f"{arms[arm]['parameters'][name][row]:.4f}" for arm in ARMS for name in PARAMETERS},
        }
        for row, seed in enumerate(seeds)
    ]
