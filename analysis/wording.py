"""Values, counts and lists as they stand in sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence


def format_digits(value: float) -> str:
    """Format a measured value with four significant digits."""
    return f"{value:.4g}"


def format_share(share: float) -> str:
    """Format a share in percent; a small one keeps a decimal, so that it does not read as zero."""
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def capitalise(sentence: str) -> str:
    """Begin a sentence with a capital letter."""
    return sentence[:1].upper() + sentence[1:]


def join_trials(trials: Sequence[int]) -> str:
    """List trials by number: `#3`, `#3 and #7`, `#1, #3 and #7`."""
    return join_words([f"#{trial}" for trial in trials])


def join_words(words: Sequence[str]) -> str:
    """Join words with commas and a final `and`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def format_count(number: int, word: str) -> str:
    """Format a count with its noun: `1 trial`, `3 trials`."""
    return f"{number:,} {inflect(number, word, f'{word}s')}"


def inflect(number: int, singular: str, plural: str) -> str:
    """Choose the form of a word that agrees with a number: `has` or `have`."""
    return singular if number == 1 else plural


def format_times(number: int) -> str:
    """Format how often something happened: `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def strip_numbers(reason: object) -> str:
    """Replace the numbers in a reason, so that reasons that differ in numbers alone count as one kind."""
    return re.sub(r"\d[\d.,e+-]*", "…", str(reason))
