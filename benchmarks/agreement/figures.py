"""Figures as they are printed, and whether they are the rounded value of the record."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

NUMBER = r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"


class Figure(NamedTuple):
    """One figure that a place shows.

    Attributes:
        place: where it is shown.
        name: of the trial and metric, for people.
        text: as printed.
        truth: of the record.
        is_fixed: whether its place gives all figures of a column the same decimals, which are all that is printed.
    """

    place: str
    name: str
    text: str
    truth: float
    is_fixed: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the text is the truth, rounded to the digits that are printed."""
        text = self.text.replace(",", "").replace("−", "-")
        if math.isnan(self.truth):
            return text in ("nan", "")
        try:
            value = Decimal(text)
        except InvalidOperation:
            return False
        if not (value.is_finite() and math.isfinite(self.truth)):
            return value == Decimal(self.truth)
        exponent = int(value.as_tuple().exponent)
        if value and not self.is_fixed:  # `%.4g` drops trailing zeros, so a short text stands for four digits
            exponent = min(exponent, value.adjusted() - 3)
        return abs(value - Decimal(self.truth)) <= Decimal("0.5000001").scaleb(exponent)


def find_values(text: str, metrics: Iterable[str]) -> list[tuple[str, str]]:
    """Find `METRIC NUMBER` in a text, in its order, as (metric, number)."""
    names = "|".join(re.escape(metric) for metric in sorted(metrics, key=len, reverse=True))
    return re.findall(rf"({names})[ :=]+({NUMBER})", text)


def tabulate(figures: Iterable[Figure]) -> str:
    """Tabulate by place how many figures there are and how many differ, and list those that differ."""
    rows = list(figures)
    totals = Counter(figure.place for figure in rows)
    differences = Counter(figure.place for figure in rows if not figure.agrees)
    lines = [f"  {'place':<34} {'figures':>8} {'differ':>7}"]
    lines += [f"  {place:<34} {count:>8} {differences[place]:>7}" for place, count in totals.items()]
    lines.append(f"  {'all':<34} {len(rows):>8} {sum(differences.values()):>7}")
    lines += [
        f"    {figure.place}: {figure.name} is {figure.text!r}, the record has {figure.truth!r}"
        for figure in rows
        if not figure.agrees
    ]
    return "\n".join(lines)
