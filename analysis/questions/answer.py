"""Answers to questions about a run, and the formatting of commands in their sentences."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["good", "careful", "bad", "unknown"]
Outcome = tuple[Verdict, str]
"""A verdict and its sentence; with its question it becomes an `Answer`."""

PROOF_VERDICTS: dict[str, Verdict] = {
    "better": "good",
    "no better": "careful",
    "worse": "bad",
    "not decided": "unknown",
    "not known": "unknown",
}
"""Verdict of a question by verdict of a proof; a proof without a verdict leaves the question unknown."""


@dataclass(frozen=True)
class Answer:
    """A question of a run, its verdict, and the sentence that gives the figures and what to do next."""

    question: str
    verdict: Verdict
    sentence: str


# -- commands, as typed in the working directory -----------------------------------------------------------------------


def quote_path(path: Path) -> str:
    """Quote a path for a shell, relative to the working directory where it lies below it."""
    folder = Path.cwd()
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))


def quote_word(word: str) -> str:
    """Quote a word `name=value` for a shell, so that it takes brackets literally."""
    _, _, value = word.partition("=")
    return word if shlex.quote(value) == value else shlex.quote(word)


def proof_command(run: Path, top: int = 3, goal: str = "", seeds: int = 5) -> str:
    """Return the command that proves the best trials of a run; with several goals, `goal` is the one to judge by."""
    goal_word = f" {quote_word(f'goal={goal}')}" if goal else ""
    return f"python -m analysis.retrain run={quote_path(run)} top={top} seeds={seeds}{goal_word}"
