"""Whether the configs that a space draws can work, before any is trained, by the Config's own checks.

Ranges that are right one by one may clash: a start of a temperature below its floor, or two settings of which one at
most may be set. Some hundreds of configs are drawn. Where more than a few per cent are impossible the space is refused;
fewer are drawn anew by the searcher. What clashes is found by putting settings back to their defaults: those that
remain when no more can be put back without a cure.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search.space import SAMPLES, Space
from trainables.settings import Notice, UsageError, first_line, format_value

MAX_IMPOSSIBLE_SHARE = 0.05


@dataclass(frozen=True)
class Clash:
    """Sampled settings that cannot go together, with one example of several.

    Attributes:
        values: the settings in the example that clash; with all others at their defaults they still do.
        reason: the Config's sentence.
        count: sampled configs in which these settings clash.
    """

    values: Mapping[str, Any]
    reason: str
    count: int


def check_samples(space: Space, *, is_new: bool = True) -> None:
    """Say which of the sampled configs are impossible: with a notice while they are few.

    Args:
        space: whose samples are checked.
        is_new: whether the search begins; one that is resumed is not refused.

    Raises:
        UsageError: more than `MAX_IMPOSSIBLE_SHARE` of them are; an example and the settings that clash are named.
    """
    clashes = find_clashes(space)
    count = sum(clash.count for clash in clashes)
    if not count:
        return
    worst = max(clashes, key=lambda clash: clash.count)
    names = " and ".join(f"params.{name}" for name in worst.values)
    example = ", ".join(f"{name}={format_value(value)}" for name, value in worst.values.items())
    remark = f"; {len(clashes) - 1} other clashes account for the rest" if len(clashes) > 1 else ""
    fault = (
        f"{count} of {SAMPLES} sampled configs ({count / SAMPLES:.0%}) are impossible, {worst.count} by {names}, "
        f"for example {example}: {worst.reason}{remark}"
    )
    if is_new and count > MAX_IMPOSSIBLE_SHARE * SAMPLES:
        raise UsageError(
            f"{fault}; change the ranges or fix a setting, up to {MAX_IMPOSSIBLE_SHARE:.0%} are drawn anew."
        )
    warnings.warn(Notice(f"{fault}; such configs are drawn anew."), stacklevel=2)


def check_metrics(space: Space) -> None:
    """Check that the reports of every config that may be drawn have the metrics of the objective.

    Raises:
        UsageError: those of the default config, or of a sampled one, lack a metric; the nearest is suggested.
    """
    space.entry.check_metrics(space.config({}), space.objective)
    for params in space.samples:
        if space.refusal(params) is not None:
            continue
        try:
            space.entry.check_metrics(space.config(params), space.objective)
        except UsageError as error:
            clash = ", ".join(f"{name}={format_value(value)}" for name, value in params.items())
            raise UsageError(f"with {clash}: {error}") from error


def find_clashes(space: Space) -> list[Clash]:
    """Return the clashes in the sampled configs of a space, by the settings that clash."""
    clashes: dict[tuple[str, ...], Clash] = {}
    for params in space.samples:
        if space.refusal(params) is None:
            continue
        values = minimal_clash(space, params)
        before = clashes.get(tuple(values))
        reason = first_line(space.refusal(values) or UsageError())
        clashes[tuple(values)] = replace(before, count=before.count + 1) if before else Clash(values, reason, 1)
    return list(clashes.values())


def minimal_clash(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of impossible parameters that clash: with any of them back at its default the rest is possible."""
    values = dict(params)
    for name in params:
        rest = {key: value for key, value in values.items() if key != name}
        if space.refusal(rest) is not None:
            values = rest
    return values
