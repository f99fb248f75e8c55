"""What a question of a run is answered with, and how its figures are spelled."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["good", "careful", "bad", "unknown"]
Said = tuple[Verdict, str]
"""A verdict and its sentence, before they are put to a question."""

PROVED: dict[str, Verdict] = {"better": "good", "no better": "careful", "worse": "bad"}
"""What the verdict of a proof is as that of a question; one that is not known stays so."""


@dataclass(frozen=True)
class Answer:
    """A question of a run, its verdict, and the sentence that gives the figures and what to do next."""

    question: str
    verdict: Verdict
    sentence: str


def figure(value: float) -> str:
    """A measured value."""
    return f"{value:.4g}"


def percent(share: float) -> str:
    """A share; a small one keeps a digit, so that it does not read as none."""
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def named(trials: Sequence[int]) -> str:
    """Trials by number: `#3`, `#3 and #7`, `#1, #3 and #7`."""
    return listed([f"#{trial}" for trial in trials])


def listed(words: Sequence[str]) -> str:
    """Words in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(number: int, word: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def like(reason: object) -> str:
    """A reason without its figures: reasons that are the same but for them are of one kind."""
    return re.sub(r"\d[\d.,e+-]*", "…", str(reason))


# -- commands, as one would type them from here ------------------------------------------------------------------------


def shown(path: Path) -> str:
    """A path."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def quoted(word: str) -> str:
    """A word `name=value` that a shell takes as it is, brackets and all."""
    _, _, value = word.partition("=")
    return word if shlex.quote(value) == value else shlex.quote(word)


def retraining(run: Path, top: int = 3, goal: str = "", seeds: int = 5) -> str:
    """What proves the best trials of a run over fresh seeds; with several goals, which one judges."""
    by = f" {quoted(f'goal={goal}')}" if goal else ""
    return f"python -m analysis.retrain run={shown(run)} top={top} seeds={seeds}{by}"
