"""Whether the validation split can judge: what `splits.json`, written before the first trial, says of it."""

from __future__ import annotations

from pathlib import Path

from analysis.questions.answer import Outcome, Verdict, quote_path
from trainables.adequacy.assessment import Adequacy
from trainables.files import SPLITS

CAN_JUDGE = "Can the validation split judge?"


def read_splits(run: Path) -> Adequacy | None:
    """Read what is recorded of a run's splits; None where nothing is, or the file is damaged."""
    try:
        return Adequacy.read(run)
    except ValueError:
        return None


def has_record(run: Path) -> bool:
    """Tell whether a run has a record of its splits: older runs and variants that assess none have not."""
    return (run / SPLITS).is_file()


def judge_splits(run: Path) -> Outcome:
    """Judge whether the figures of validation rest on enough."""
    adequacy = read_splits(run)
    if adequacy is None:
        return "unknown", f"{SPLITS} is damaged: python -m search.run resume={quote_path(run)} writes it again."
    findings = sorted(adequacy.findings, key=lambda item: not item.severe)
    if not findings:
        return "good", f"No figure rests on too little. Validation has {adequacy.lines.get('val', 'nothing recorded')}."
    verdict: Verdict = findings[0].verdict
    rest = f" {len(findings) - 2} more under Data." if len(findings) > 2 else ""
    return verdict, " ".join(_capitalise(item.message) for item in findings[:2]) + rest


def _capitalise(sentence: str) -> str:
    """Begin a sentence with a capital letter, but not a metric's name."""
    first = sentence.partition(" ")[0]
    return sentence if "/" in first or "=" in first else sentence[:1].upper() + sentence[1:]
