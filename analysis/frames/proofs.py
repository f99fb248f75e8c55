"""The record of a proof, `retrain/proof.json`, read as it stands or from before it had all its keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_proof(path: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Read a `proof.json` if there is one; a proof that cannot be used becomes a sentence instead."""
    try:
        proof = json.loads(path.read_text(encoding="utf-8"))
        rows = [*proof["candidates"], proof["default"]]
        complete = isinstance(proof["sentence"], str) and all({"trial", "values", "mean"} <= set(row) for row in rows)
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if complete:
        return _reinterpret(proof), []
    return None, [
        f"{path.parent.name}/{path.name} is damaged or incomplete: python -m analysis.retrain writes it again."
    ]


def _reinterpret(proof: dict[str, Any]) -> dict[str, Any]:
    """Return a proof; a "no better" from before it took an interval that excludes a gain of interest is not decided."""
    if proof.get("verdict") != "no better" or "smallest" in (proof.get("gain") or {}):
        return proof
    sentence = proof["sentence"].replace("No better than the default", "Not decided", 1)
    return {**proof, "verdict": "not decided", "sentence": sentence}
