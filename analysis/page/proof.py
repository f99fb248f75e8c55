"""A run's proof as the top of its page: its best trials over fresh seeds, from `retrain/proof.json`."""

from __future__ import annotations

from typing import Any

from analysis.page import drawing
from analysis.page.blocks import Block, LegendKey, Note, Plot, Table
from analysis.page.drawing import BEST, DEFAULT, INK, SECONDARY, axis, format_number
from analysis.proof.result import describe_role
from analysis.proof.statistics import mean_interval
from analysis.questions.answer import PROOF_VERDICTS
from analysis.wording import format_count, format_times
from trainables.measuring.ranges import metric_range


def proof_blocks(proof: dict[str, Any], *, has_constraints: bool) -> tuple[Block, ...]:
    """Build the proof's sentence, figure and table, with a column of feasibility if there are constraints."""
    return (
        Note(proof["sentence"], PROOF_VERDICTS.get(proof.get("verdict", ""), "unknown")),
        *_goal_tables(proof),
        _figure(proof),
        _table(proof, has_constraints),
    )


def _goal_tables(proof: dict[str, Any]) -> tuple[Table, ...]:
    """Build the table of the winner against the default in every goal; none with a single goal."""
    goals = proof.get("goals") or []
    if len(goals) < 2:
        return ()
    rows = []
    for goal in goals:
        gain = goal["gain"]
        bounds = "–" if gain["low"] is None else f"{format_number(gain['low'])} to {format_number(gain['high'])}"
        means = format_number(goal["winner"]), format_number(goal["default"])
        rows.append((goal["metric"], *means, format_number(gain["value"]), bounds, describe_role(goal, proof)))
    columns = ("goal", "winner", "default", "gain", "95% interval", "part in the verdict")
    note = f"A positive gain is better. The rule: {proof['rule']}." if proof["rule"] else "A positive gain is better."
    return (Table(columns, tuple(rows), frozenset(columns[1:5]), note=note),)


def _figure(proof: dict[str, Any]) -> Plot:
    """Draw a row per trial: its seeds, their mean, and its value in the search."""
    rows = [*proof["candidates"], proof["default"]]
    row_positions = {row["trial"]: len(rows) - 1 - index for index, row in enumerate(rows)}
    traces: list[dict[str, Any]] = []
    for row in rows:
        values = [value for value in row["values"].values() if value is not None]
        if not values:
            continue
        y, color = row_positions[row["trial"]], DEFAULT if row is proof["default"] else BEST
        interval = mean_interval(values, bounds=metric_range(proof.get("metric", ""), values))
        line = {"color": color, "width": 5}
        extent = {
            "mode": "lines",
            "x": drawing.round_values([interval.low, interval.high]),
            "y": [y, y],
            "line": line,
            "opacity": 0.35,
        }
        traces.append({"type": "scatter", "name": "interval", "hoverinfo": "skip", **extent})
        traces.append(_dots("one seed", values, y, color, "circle-open", 9))
        traces.append(_dots("mean", [row["mean"]], y, color, "diamond", 13))
        if row.get("searched") is not None:
            traces.append(_dots("in the search", [row["searched"]], y, SECONDARY, "x-thin", 9))
    names = [drawing.escape_text(_name(row, proof)) for row in rows]
    ticks = {"tickvals": list(row_positions.values()), "ticktext": names, "tickfont": {"color": INK}}
    y_axis = axis("", range=[-0.6, len(rows) - 0.4], showgrid=False, **ticks)
    figure = {"data": traces, "layout": drawing.layout(axis(proof.get("metric", "")), y_axis)}
    keys = (
        LegendKey("mean", "diamond", BEST),
        LegendKey("one seed", "ring", BEST),
        LegendKey("interval", "line", BEST),
        LegendKey("in the search", "cross", SECONDARY),
    )
    return Plot("The candidates against the default", _caption(proof), figure, 90 + 46 * len(rows), legend=keys)


def _caption(proof: dict[str, Any]) -> str:
    first = [*proof["candidates"], proof["default"]][0]
    seeds = format_count(len(proof.get("seeds") or first["values"]), "fresh seed")
    return (
        f"Each candidate is trained over {seeds}, the default over {len(proof['default']['values'])}. Band: 95% "
        "t-interval of the mean; cross: the value in the search, which is optimistic for the candidates because they "
        "were chosen by it."
    )


def _table(proof: dict[str, Any], has_constraints: bool) -> Table:
    rows: list[tuple[str, ...]] = []
    for row in [*proof["candidates"], proof["default"]]:
        seeds, failed = row["values"], row.get("failed") or []
        feasible = {True: "yes", False: "no"}.get(row.get("feasible"), "–")
        numbers = (
            format_number(row["mean"]),
            format_number(row.get("searched")),
            format_number(row.get("optimism"), 2),
        )
        cells: tuple[str, ...] = (
            _name(row, proof),
            *numbers,
            f"{len(seeds)}",
            ", ".join(map(str, failed)) or "none",
            feasible,
        )
        rows.append(cells if has_constraints else cells[:-1])
    feasible_column = ("feasible",) if has_constraints else ()
    columns = ("trial", "mean", "in the search", "optimism", "seeds", "failed seeds", *feasible_column)
    bold_rows = frozenset(index for index, row in enumerate(proof["candidates"]) if row["trial"] == proof.get("winner"))
    return Table(columns, tuple(rows), frozenset(columns[1:5]), bold_rows=bold_rows, note=_note(proof))


def _note(proof: dict[str, Any]) -> str:
    sentences = [_describe_gain("Gain of the winner over the default", proof.get("gain"))]
    test = proof.get("test")
    if isinstance(test, dict):
        sentences.append(_describe_gain(f"On the test split ({test.get('metric', '')})", test.get("gain")))
        looks = test.get("looks")
        if looks:
            sentences.append(f"The test split has been looked at {format_times(looks)}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _describe_gain(label: str, gain: Any) -> str:
    if not isinstance(gain, dict) or gain.get("value") is None:
        return ""
    interval = ""
    if gain.get("low") is not None:  # one seed gives none
        bounds = f"{format_number(gain['low'])} to {format_number(gain.get('high'))}"
        interval = f" ({gain.get('confidence', 0.95):.0%} interval {bounds})"
    return f"{label}: {format_number(gain['value'])}{interval}."


def _name(row: dict[str, Any], proof: dict[str, Any]) -> str:
    if row is proof["default"]:
        return "default"
    return f"#{row['trial']}{' (winner)' if row['trial'] == proof.get('winner') else ''}"


def _dots(name: str, x: list[float], y: float, color: str, symbol: str, size: int) -> dict[str, Any]:
    edge = {"color": color, "width": 2 if symbol.endswith(("-open", "-thin")) else 0}
    marker = {"color": color, "symbol": symbol, "size": size, "line": edge}
    common = {"type": "scatter", "mode": "markers", "name": name, "x": drawing.round_values(x), "y": [y] * len(x)}
    return {**common, "marker": marker, "hovertemplate": f"{name} %{{x:.4g}}<extra></extra>"}
