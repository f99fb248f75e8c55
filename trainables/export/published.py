"""Parts of a model card that translate a model's settings to the method's published script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.base_config import TrainingConfig
from trainables.settings import format_value


def list_differences(config: TrainingConfig, published: Sequence[tuple[str, Any]]) -> list[str]:
    """List the settings in which a config differs from a script that has no flag for them, as Markdown.

    Args:
        config: of the model.
        published: names of settings, with the value that the script always has.
    """
    return [
        f"`{name}={format_value(getattr(config, name))}` (there: {format_value(value)})"
        for name, value in published
        if getattr(config, name) != value
    ]


def command_block(command: str, flags: Sequence[str]) -> list[str]:
    """Write a shell command with a flag a line, as the lines of a Markdown block."""
    return ["```", f"{command} \\", *(f"  {flag} \\" for flag in flags[:-1]), f"  {flags[-1]}", "```"]
