"""What re-training over fresh seeds has shown of a run's best trials: `retrain/proof.json` as the top of a page."""

from __future__ import annotations

from typing import Any

from analysis.page import drawing
from analysis.page.blocks import Block, Key, Note, Plot, Table
from analysis.page.drawing import BEST, DEFAULT, INK, MUTED, axis, number
from analysis.proof.statistics import mean_interval
from analysis.questions.answer import PROVED


def proof_blocks(proof: dict[str, Any], *, constrained: bool) -> tuple[Block, ...]:
    """The proof's sentence, its figure and its table, which says whether constraints were kept if there are any."""
    return (
        Note(proof["sentence"], PROVED.get(proof.get("verdict", ""), "unknown")),
        _figure(proof),
        _table(proof, constrained),
    )


def _figure(proof: dict[str, Any]) -> Plot:
    """A row per trial: its seeds, their mean, and what the search had promised."""
    rows = [*proof["candidates"], proof["default"]]
    places = {row["trial"]: len(rows) - 1 - place for place, row in enumerate(rows)}
    traces: list[dict[str, Any]] = []
    for row in rows:
        seeds = [value for value in row["values"].values() if value is not None]
        if not seeds:
            continue
        y, color = places[row["trial"]], DEFAULT if row is proof["default"] else BEST
        by = mean_interval(seeds)
        line = {"color": color, "width": 5}
        extent = {"mode": "lines", "x": drawing.rounded([by.low, by.high]), "y": [y, y], "line": line, "opacity": 0.35}
        traces.append({"type": "scatter", "name": "interval", "hoverinfo": "skip", **extent})
        traces.append(_dots("one seed", seeds, y, color, "circle-open", 9))
        traces.append(_dots("mean", [row["mean"]], y, color, "diamond", 13))
        if row.get("searched") is not None:
            traces.append(_dots("in the search", [row["searched"]], y, MUTED, "x-thin", 9))
    names = [drawing.text(_name(row, proof)) for row in rows]
    ticks = {"tickvals": list(places.values()), "ticktext": names, "tickfont": {"color": INK}}
    y_axis = axis("", range=[-0.6, len(rows) - 0.4], showgrid=False, **ticks)
    figure = {"data": traces, "layout": drawing.layout(axis(proof.get("metric", "")), y_axis)}
    keys = (
        Key("mean", "diamond", BEST),
        Key("one seed", "ring", BEST),
        Key("interval", "line", BEST),
        Key("in the search", "cross", MUTED),
    )
    seeds_used = len(proof.get("seeds") or rows[0]["values"])
    caption = (
        f"Trained again over {seeds_used} fresh seeds, the default over {len(proof['default']['values'])}. Band: 95% "
        f"t-interval of the mean; cross: what the search "
        f"had shown for it, which is optimistic because it was chosen by that."
    )
    return Plot("The candidates against the default", caption, figure, 90 + 46 * len(rows), legend=keys)


def _table(proof: dict[str, Any], constrained: bool) -> Table:
    rows: list[tuple[str, ...]] = []
    for row in [*proof["candidates"], proof["default"]]:
        seeds, failed = row["values"], row.get("failed") or []
        kept = {True: "yes", False: "no"}.get(row.get("feasible"), "–")
        numbers = (number(row["mean"]), number(row.get("searched")), number(row.get("optimism"), 2))
        cells: tuple[str, ...] = (
            _name(row, proof),
            *numbers,
            f"{len(seeds)}",
            ", ".join(map(str, failed)) or "none",
            kept,
        )
        rows.append(cells if constrained else cells[:-1])
    kept_column = ("feasible",) if constrained else ()
    columns = ("trial", "mean", "in the search", "optimism", "seeds", "failed seeds", *kept_column)
    strong = frozenset(place for place, row in enumerate(proof["candidates"]) if row["trial"] == proof.get("winner"))
    return Table(columns, tuple(rows), frozenset(columns[1:5]), strong=strong, note=_note(proof))


def _note(proof: dict[str, Any]) -> str:
    said = [_gain("Gain of the winner over the default", proof.get("gain"))]
    tested = proof.get("test")
    if isinstance(tested, dict):
        said.append(_gain(f"On the test split ({tested.get('metric', '')})", tested.get("gain")))
        looks = tested.get("looks")
        said.append(f"The test split has been looked at {'once' if looks == 1 else f'{looks} times'}." if looks else "")
    return " ".join(each for each in said if each)


def _gain(what: str, gain: Any) -> str:
    if not isinstance(gain, dict) or gain.get("value") is None:
        return ""
    interval = f"{number(gain.get('low'))} to {number(gain.get('high'))}"
    return f"{what}: {number(gain['value'])} ({gain.get('confidence', 0.95):.0%} interval {interval})."


def _name(row: dict[str, Any], proof: dict[str, Any]) -> str:
    if row is proof["default"]:
        return "default"
    return f"#{row['trial']}{' (winner)' if row['trial'] == proof.get('winner') else ''}"


def _dots(name: str, x: list[float], y: float, color: str, symbol: str, size: int) -> dict[str, Any]:
    edge = {"color": color, "width": 2 if symbol.endswith(("-open", "-thin")) else 0}
    marker = {"color": color, "symbol": symbol, "size": size, "line": edge}
    common = {"type": "scatter", "mode": "markers", "name": name, "x": drawing.rounded(x), "y": [y] * len(x)}
    return {**common, "marker": marker, "hovertemplate": f"{name} %{{x:.4g}}<extra></extra>"}
