"""First weights of a training from an earlier one: `init_from=export/NAME`, which every variant honours.

The export must be one of the same variant, with the same settings where they decide which weights there are
(`Config.ARCHITECTURE`). This is checked from its `config.yaml` before a search begins, without torch. The loop then
puts the weights in place (`trainables.weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.files import CONFIG, WEIGHTS, read_yaml
from trainables.settings import UsageError, plain

if TYPE_CHECKING:
    from trainables.contract import TrainingConfig


def check(variant: str, config: TrainingConfig) -> None:
    """See that the export is there and fits; nothing to do without `init_from`.

    Raises:
        UsageError: there is none, it is of another variant, or a setting that decides the weights differs.
    """
    if config.init_from is None:
        return
    folder = Path(config.init_from)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UsageError(f"init_from={folder} has no {name}; `python -m analysis.export` writes such a folder.")
    begun = read_yaml(folder / CONFIG)
    if begun.get("variant") != variant:
        raise UsageError(f"init_from={folder} is of the variant {begun.get('variant')}; give an export of {variant}.")
    settings = begun.get("config")
    if not isinstance(settings, Mapping):
        raise UsageError(
            f"init_from={folder} has no settings in its {CONFIG}; `python -m analysis.export` writes such a folder."
        )
    for name in config.ARCHITECTURE:
        before, now = settings.get(name), getattr(config, name)
        if before != now:
            raise UsageError(
                f"init_from={folder} was trained with {name}={plain(before)}, and here it is {plain(now)}: "
                f"give fixed.{name}={plain(before)}."
            )
