"""The keys of reports, known before a training: what the loop adds to every report, and what a variant declares.

A variant declares its keys in `reports.py`: `keys(config)` returns those that every report of a training with this
config has, as `train/…`, `raw/…`, `val/…` and `health/…`; `*` stands for what the data decide, such as a class. So an
objective that no report has is refused before the first epoch. A variant that declares nothing is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from trainables.objective import Objective
from trainables.settings import UsageError, describe_value, suggest_name

LOOP_KEYS = (
    "epoch", "health/grad_norm", "time/eval_s", "time/total_s", "time/train_s", "train/compared_end",
    "train/compared_stage", "train/lr", "train/stage", "train/stages_left", "train/total",
)  # fmt: skip
"""The numbers in every report, whatever the variant, before it is judged."""

JUDGED_KEYS = ("health/fatal", "health/findings", "objective/feasible", "objective/value", "objective/violation")
"""Those that the judgement adds; an objective cannot be one of them."""


def gradient_keys(*parts: str) -> list[str]:
    """Return the keys that the loop adds for the trained parts of a network (`Variant.gradient_parts`)."""
    kinds = ["gradient_largest", "gradient_norm", "gradient_zeros", "update_ratio"]
    kinds += ["gradient_ratio"] if len(parts) > 1 else []
    return ["health/clipped_share", *(f"health/{kind}_{part}" for kind in kinds for part in parts)]


def is_declared(key: str, declared: Collection[str]) -> bool:
    """Return whether a report has a key, by what is declared."""
    return any(fnmatchcase(key, pattern) for pattern in (*LOOP_KEYS, *declared))


def check_metrics(objective: Objective, declared: Sequence[str], variant: str) -> None:
    """Check that reports have the metrics of an objective, and of its constraints.

    Args:
        objective: of the search or training.
        declared: keys of the variant's reports.
        variant: its name.

    Raises:
        UsageError: they lack one; the nearest key is suggested.
    """
    metrics = {"objective.metric": [goal.metric for goal in objective.goals], "constraints": [*objective.constraints]}
    for key, names in metrics.items():
        for name in names:
            if not is_declared(name, declared):
                word = (
                    f"{key}={describe_value(name)}" if key != "constraints" else f"constraints.{describe_value(name)}"
                )
                raise UsageError(
                    f"{word} is in no report of {variant} with these settings; "
                    f"{suggest_name(describe_value(name), sorted({*LOOP_KEYS, *declared}))}"
                )
