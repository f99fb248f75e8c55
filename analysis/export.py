"""Export a trial: `python -m analysis.export run=runs/NAME to=export/NAME`.

Writes the folder that `trainables.artifact` describes. With `test=true` the exported model is scored on the test split,
once: the look is entered in the run's ledger, and a second one asks for `again=true` and is counted on the card.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.best import ranked
from search.record import RunFolder
from trainables.artifact import CONFIG, Recipe, report_of, write_artifact
from trainables.contract import Split
from trainables.files import BEST_WEIGHTS, append_line, read_lines, trial_folder
from trainables.settings import Settings, UsageError, command, command_help, parse_arguments, setting

USAGE = """
Export a trial of a run, by default the best one.

  python -m analysis.export run=runs/NAME to=export/NAME
  python -m analysis.export run=runs/NAME trial=3 to=export/NAME-3
  python -m analysis.export run=runs/NAME to=export/NAME test=true      and score it on the test split, once
"""
LEDGER = "test_ledger.jsonl"


@dataclass(frozen=True, kw_only=True)
class Export(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run")
    to: str = setting(help="folder to write")
    trial: int | None = setting(None, "number of the trial; none: the best, constraints kept first", low=0)
    test: bool = setting(False, "score the model on the test split; entered in the run's ledger")
    device: str = setting("auto", "where the test split is scored: auto, cpu or cuda")
    again: bool = setting(False, "look at the test split although the ledger has an entry")


def main(arguments: list[str]) -> int:
    """Export; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Export))
        return 0
    export = Export.of(parse_arguments(arguments))
    folder = RunFolder.open(export.run)
    number = export.trial if export.trial is not None else best_trial(folder)
    weights, recipe = _weights(folder, number), recipe_of(folder, number)
    looks = read_lines(folder.path / LEDGER)
    if export.test and looks and not export.again:
        raise UsageError(
            f"the test split of {folder.path.name} was looked at on {looks[0]['when']} for trial {looks[0]['trial']}; "
            f"again=true looks once more, and the model card counts it."
        )
    facts, tested = _test(recipe, weights, export.device, looked=export.test)
    if export.test:
        append_line(folder.path / LEDGER, {"when": time.strftime("%Y-%m-%d %H:%M"), "trial": number, "result": tested})
        looks = read_lines(folder.path / LEDGER)
    origin = f"Trial {number} of the run {folder.path.name}."
    if looks:
        origin += f" The test split of this run has been looked at {len(looks)} time{'s' if len(looks) > 1 else ''}."
    write_artifact(Path(export.to), recipe, weights, tested, facts, origin)
    print(
        f"  trial {number} → {export.to}    {recipe.objective.first.metric} {report_of(weights)['objective/value']:.4g}"
    )
    for key, value in tested.items():
        print(f"    {key:<28} {value:.4g}")
    print(f"  train it in full:  python -m trainables.train config={Path(export.to) / CONFIG}")
    return 0


def best_trial(folder: RunFolder) -> int:
    """The number of the best trial.

    Raises:
        UsageError: no trial has a result.
    """
    frame = ranked(folder)
    if frame.empty:
        raise UsageError(f"{folder.path} has no trial with a result; failures.csv there says why, if any failed.")
    return int(frame.index[0])


def recipe_of(folder: RunFolder, number: int) -> Recipe:
    """Everything that decided the training of a trial."""
    space = folder.space()
    config = space.config(folder.trial(number).params)
    return Recipe(space.entry, config, space.data, space.objective, int(folder.settings()["seed"]))


def _weights(folder: RunFolder, number: int) -> Path:
    weights = trial_folder(folder.path, number) / BEST_WEIGHTS
    if not weights.exists():
        raise UsageError(
            f"trial={number} of {folder.path} has no weights; `python -m analysis.best` lists those that have."
        )
    return weights


def _test(recipe: Recipe, weights: Path, device: str, *, looked: bool) -> tuple[dict[str, Any], dict[str, float]]:
    """What the variant says of itself, and, where asked for, its figures on the test split as `test/…`."""
    from trainables.checkpoint import load_weights  # noqa: PLC0415  (mistakes in the settings are told before torch loads)
    from trainables.processes import pick  # noqa: PLC0415

    splits: tuple[Split, ...] = ("train", "val", "test") if looked else ("train", "val")
    variant = recipe.entry.build(recipe.config, recipe.data, device=pick(device), seed=recipe.seed, splits=splits)
    if not looked:
        return variant.describe(), {}
    load_weights(weights, variant)
    return variant.describe(), {f"test/{key}": value for key, value in variant.evaluate("test").items()}


if __name__ == "__main__":
    command(main)
