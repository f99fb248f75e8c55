"""What a proof says to the questions about the best trials: is the winner better, and is it apart from its rivals?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.proof.judgement import tested_words
from analysis.proof.statistics import gain
from analysis.questions.answer import PROVED, Said, figure, retraining, shown

NEXT = {
    "better": "Export it: {export}",
    "no better": "Keep the default settings, or give the proof more seeds than it had: {more}",
    "worse": "Keep the default settings: the search was led astray; widen it, or give it more trials.",
    "not known": "Give the proof several seeds: {more}",
}


def better(proof: Mapping[str, Any], run: Path) -> Said:
    """The proof's sentence, what the test split showed, and what to do next."""
    top, seeds = max(1, len(proof["candidates"])), max(5, 2 * len(proof.get("seeds") or []))
    step = NEXT[proof["verdict"]].format(
        export=f"python -m analysis.export run={shown(run)} to=export",
        more=f"{retraining(run, top, seeds=seeds)} test=false",
    )
    return PROVED.get(proof["verdict"], "unknown"), " ".join([proof["sentence"], *_tested(proof), step])


def apart(proof: Mapping[str, Any]) -> Said:
    """Whether the winner can be told from the default and from the candidate next to it, by the scatter of seeds."""
    rows = {row["trial"]: row for row in proof["candidates"] if row["values"]}
    if proof["winner"] not in rows:
        return "unknown", proof["sentence"]
    winner = rows.pop(proof["winner"])
    sign = 1 if proof["mode"] == "max" else -1
    spread = _scatter([*rows.values(), winner, proof["default"]])
    said = f"Seeds scatter by {figure(spread)}. " if math.isfinite(spread) else ""
    default = "can" if proof["verdict"] in ("better", "worse") else "cannot"
    said += f"#{winner['trial']} {default} be told from the default"
    if not rows:
        return PROVED.get(proof["verdict"], "unknown"), f"{said}."
    rival = max(rows.values(), key=lambda row: sign * row["mean"])
    between = gain(_signed(winner, sign), _signed(rival, sign))
    told = between.verdict == "better"
    chance = "which can hardly be chance" if told else "which may be chance: either of the two may be taken"
    lead = f"it leads #{rival['trial']} by {figure(between.value)}, {chance}"
    return ("good" if default == "can" and told else "careful"), f"{said}; {lead}."


def _tested(proof: Mapping[str, Any]) -> list[str]:
    test = proof.get("test")
    if not test:
        return []
    return [f"On the test split: {tested_words(test)}."]


def _scatter(rows: list[Mapping[str, Any]]) -> float:
    """The standard deviation between seeds, pooled over the configs; NaN where nobody has two."""
    variances = [np.var(list(row["values"].values()), ddof=1) for row in rows if len(row["values"]) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else math.nan


def _signed(row: Mapping[str, Any], sign: int) -> dict[int, float]:
    return {int(seed): sign * value for seed, value in row["values"].items()}
