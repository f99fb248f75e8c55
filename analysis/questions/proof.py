"""Questions about the best trials, answered by a proof: is the winner better, and by more than chance?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.proof.result import describe_test
from analysis.proof.statistics import gain
from analysis.questions.answer import PROOF_VERDICTS, Outcome, proof_command, quote_path
from analysis.wording import format_digits
from trainables.measuring.ranges import metric_range

NEXT_STEPS = {
    "better": "Export it: {export}",
    "no better": "Keep the default settings.",
    "not decided": "Give the proof more seeds: {more}",
    "worse": "Keep the default settings: the search's choice did not hold; widen it, or give it more trials.",
    "not known": "Give the proof several seeds: {more}",
}

NO_RESULT_STEP = "Mend what made the trainings fail, then train them again: {more} retry=true"


def judge_winner(proof: Mapping[str, Any], run: Path) -> Outcome:
    """Return the proof's sentence, the result on the test split, and the next step."""
    top, seeds = max(1, len(proof["candidates"])), max(5, 2 * len(proof.get("seeds") or []))
    step = NEXT_STEPS.get(proof["verdict"], "") if proof["winner"] is not None else NO_RESULT_STEP
    step = step.format(
        export=f"python -m analysis.export run={quote_path(run)} to=export",
        more=proof_command(run, top, seeds=proof.get("needed_seeds") or seeds),
    )
    return PROOF_VERDICTS.get(proof["verdict"], "unknown"), " ".join([proof["sentence"], *_describe_look(proof), step])


def judge_lead(proof: Mapping[str, Any]) -> Outcome:
    """Judge whether the winner differs from the default and the next best candidate by more than chance.

    With several goals in the one that decided the proof.
    """
    metric, mode, bounds = _find_decider(proof)
    sign = 1 if mode == "max" else -1
    rows = {row["trial"]: values for row in proof["candidates"] if (values := _signed_values(row, metric, sign))}
    trial = proof["winner"]
    if trial not in rows:
        return "unknown", proof["sentence"]
    winner = rows.pop(trial)
    spread = _scatter([*rows.values(), winner, _signed_values(proof["default"], metric, sign)])
    sentence = f"Seeds scatter by {format_digits(spread)}. " if math.isfinite(spread) else ""
    differs = (bounds["low"] or 0) > 0 or (bounds["high"] or 0) < 0 if bounds else proof["verdict"] == "better"
    sentence += f"#{trial} {'differs' if differs else 'does not differ'} from the default by more than chance"
    sentence += f" in {metric}" if len(proof.get("goals") or []) > 1 else ""
    if not rows:
        return PROOF_VERDICTS.get(proof["verdict"], "unknown"), f"{sentence}."
    rival = max(rows, key=lambda number: np.mean(list(rows[number].values())))
    results = [sign * value for values in (winner, rows[rival]) for value in values.values()]
    interval = gain(winner, rows[rival], width=metric_range(metric, results).width)
    leads = interval.verdict == "better"
    chance = "which can hardly be chance" if leads else "which may be chance: either of the two may be taken"
    lead = f"it leads #{rival} by {format_digits(interval.value)}, {chance}"
    return ("good" if differs and leads else "careful"), f"{sentence}; {lead}."


def _describe_look(proof: Mapping[str, Any]) -> list[str]:
    test = proof.get("test")
    if not test:
        return []
    return [f"On the test split: {describe_test(test)}."]


def _find_decider(proof: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any] | None]:
    """Return metric, mode and gain of the goal that decided a proof; of older proofs, their only one."""
    metric = proof.get("decided_by")
    goal = next((goal for goal in proof.get("goals") or [] if goal["metric"] == metric), proof)
    return goal.get("metric", ""), goal["mode"], goal.get("gain")


def _scatter(configs: list[dict[int, float]]) -> float:
    """Return the standard deviation between seeds, pooled over the configs; NaN where none has two seeds."""
    variances = [np.var(list(values.values()), ddof=1) for values in configs if len(values) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else math.nan


def _signed_values(row: Mapping[str, Any], metric: str, sign: int) -> dict[int, float]:
    """Return the values of a row of a proof by seed, larger is better; older proofs have those of one goal."""
    values = (row.get("goals") or {}).get(metric, row["values"])
    return {int(seed): sign * value for seed, value in values.items()}
