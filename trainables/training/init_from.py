"""A training that begins with an earlier one: `init_from=export/NAME`, which every variant honours.

The export must be one of the same variant, with the same settings where they decide which weights there are
(`Config.ARCHITECTURE`), and on data that were split in the same way (`Data.SPLITTING`). This is checked from its
`config.yaml` before a search begins, without torch; the loop then loads the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.files import CONFIG, WEIGHTS, read_yaml
from trainables.settings import UsageError, format_value

if TYPE_CHECKING:
    from trainables.base_config import DataConfig, TrainingConfig
    from trainables.contract import Variant


def check(variant: str, config: TrainingConfig, data: DataConfig) -> None:
    """Check that the export exists and fits; nothing to do without `init_from`.

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
    recipe = read_yaml(folder / CONFIG)
    if recipe.get("variant") != variant:
        raise UsageError(f"init_from={folder} is of the variant {recipe.get('variant')}; give an export of {variant}.")
    settings = recipe.get("config")
    if not isinstance(settings, Mapping):
        raise UsageError(
            f"init_from={folder} has no settings in its {CONFIG}; `python -m analysis.export` writes such a folder."
        )
    for name in config.ARCHITECTURE:
        before, now = settings.get(name), getattr(config, name)
        if before != now:
            raise UsageError(
                f"init_from={folder} was trained with {name}={format_value(before)}, and here it is "
                f"{format_value(now)}: give fixed.{name}={format_value(before)}."
            )
    _check_split(folder, recipe.get("data") or {}, data)


def inherited_settings(variant: str, config: type[TrainingConfig], folder: str) -> dict[str, Any]:
    """Return the settings of an export that are not the default: a training from it inherits them.

    Empty where there is no such export of that variant; `check` says so.
    """
    if not (Path(folder) / CONFIG).is_file():
        return {}
    recipe = read_yaml(Path(folder) / CONFIG)
    settings = recipe.get("config")
    if recipe.get("variant") != variant or not isinstance(settings, Mapping):
        return {}
    default = config()
    names = [name for name in config.names() if name not in ("epochs", "init_from") and name in settings]
    return {name: settings[name] for name in names if settings[name] != getattr(default, name)}


def load_initial_weights(variant: Variant) -> None:
    """Give a variant the weights of `config.init_from`; without it, it keeps its own random ones.

    Raises:
        UsageError: they are not there, or not those of such a model.
    """
    if variant.config.init_from is None:
        return
    from safetensors import SafetensorError  # noqa: PLC0415  (the checks above need none of it)

    from trainables.training.weights import load_weights  # noqa: PLC0415

    path = Path(variant.config.init_from) / WEIGHTS
    try:
        load_weights(path, variant)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UsageError(
            f"init_from: {path} does not give the weights of this model: {reason}; give an export of the same one."
        ) from error


def _check_split(folder: Path, before: Mapping[str, Any], data: DataConfig) -> None:
    if (before.get("source"), before.get("root")) != (data.source, data.root):
        return
    for name in data.SPLITTING:
        if before.get(name) != getattr(data, name):
            raise UsageError(
                f"init_from={folder} was trained with data.{name}={format_value(before.get(name))}, and here it is "
                f"{format_value(getattr(data, name))}, so that it has seen what it would be judged by: "
                f"give data.{name}={format_value(before.get(name))}."
            )
