"""First weights of a training from an earlier one: `init_from=export/NAME`, which every variant honours.

The export must be one of the same variant, with the same settings where they decide which weights there are
(`Config.ARCHITECTURE`), and on data that were split in the same way (`Data.SPLITTING`). This is checked from its
`config.yaml` before a search begins, without torch. The loop then puts the weights in place
(`trainables.training.weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.files import CONFIG, WEIGHTS, read_yaml
from trainables.settings import UsageError, plain

if TYPE_CHECKING:
    from trainables.contract import DataConfig, TrainingConfig


def check(variant: str, config: TrainingConfig, data: DataConfig) -> None:
    """See that the export is there and fits; nothing to do without `init_from`.

    Raises:
        UsageError: there is none, it is of another variant, or a setting that decides the weights differs; or it was
            trained on the same data, split in another way, so that it has seen what it would be judged by.
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
    _check_split(folder, begun.get("data") or {}, data)


def inherited(variant: str, config: type[TrainingConfig], init_from: str) -> dict[str, Any]:
    """The settings that a training from an export goes on with unless it is told otherwise: all that are not defaults.

    Nothing where there is no such export of that variant; `check` says so.
    """
    if not (Path(init_from) / CONFIG).is_file():
        return {}
    begun = read_yaml(Path(init_from) / CONFIG)
    settings = begun.get("config")
    if begun.get("variant") != variant or not isinstance(settings, Mapping):
        return {}
    default = config()
    names = [name for name in config.names() if name not in ("epochs", "init_from") and name in settings]
    return {name: settings[name] for name in names if settings[name] != getattr(default, name)}


def _check_split(folder: Path, before: Mapping[str, Any], data: DataConfig) -> None:
    if (before.get("source"), before.get("root")) != (data.source, data.root):
        return
    for name in data.SPLITTING:
        if before.get(name) != getattr(data, name):
            raise UsageError(
                f"init_from={folder} was trained with data.{name}={plain(before.get(name))}, and here it is "
                f"{plain(getattr(data, name))}, so that it has seen what it would be judged by: "
                f"give data.{name}={plain(before.get(name))}."
            )
