"""Train one config in full: `python -m trainables.train config=export/x/config.yaml`.

Writes the same kind of folder as an export, resumes where it was interrupted, and runs on several processes as
`torchrun --nproc_per_node=2 -m trainables.train …`, which computes the same as one process would.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from trainables.baselines import compute
from trainables.commands import command_help, parse_parts, run_command
from trainables.export.folder import read_report, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, CHECKPOINT, CONFIG
from trainables.objective import STAGE_NAME, STAGES_LEFT, Objective
from trainables.settings import LARGEST_SEED, Settings, UsageError, setting
from trainables.stages import check_usable

if TYPE_CHECKING:
    from trainables.training.folder import TrainingFolder
    from trainables.training.loop import Loop

USAGE = """
Train one config in full.

  python -m trainables.train config=export/x/config.yaml
  python -m trainables.train config=export/x/config.yaml epochs=50 data.source=nih data.root=FOLDER
  torchrun --nproc_per_node=2 -m trainables.train config=export/x/config.yaml

data.FIELD=… changes a field of the variant's Data, fixed.FIELD=… one of its Config. An interrupted training is resumed
in its folder, with the same settings.
"""


@dataclass(frozen=True, kw_only=True)
class Training(Settings):
    """The keys of the command line."""

    config: str = setting(help="the config.yaml of an export or of an earlier training", path=True)
    to: str = setting("", "folder to write; empty: trained/ beside the config", path=True)
    epochs: int | None = setting(None, "epochs; none: as in the config", low=1)
    seed: int | None = setting(None, "seed; none: as in the config", low=0, high=LARGEST_SEED)
    device: str = setting("auto", "auto: the GPU if there is one; or cpu, cuda")


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Training))
        return 0
    training, recipe = _read(arguments)
    folder = Path(training.to) if training.to else Path(training.config).parent / "trained"
    return _train(recipe, folder, training.device)


def _read(arguments: list[str]) -> tuple[Training, Recipe]:
    training, parts = parse_parts(arguments, Training, ("data", "fixed"))
    data, fixed = parts["data"], parts["fixed"]
    if training.epochs is not None:
        fixed["epochs"] = training.epochs
    if data.get("source") == "synthetic":
        data.setdefault("root", None)
    return training, Recipe.read(Path(training.config), fixed, data, training.seed)


def _train(recipe: Recipe, folder: Path, device: str) -> int:
    """Train, or resume training, to the end and write the folder; returns the exit code."""
    from trainables.processes import Processes, pick_device  # noqa: PLC0415
    from trainables.training.folder import TrainingFolder  # noqa: PLC0415  (mistakes are told before torch loads)
    from trainables.training.loop import Loop  # noqa: PLC0415
    from trainables.training.monitor import DivergedError  # noqa: PLC0415

    _check_recipe(folder, recipe)
    processes = Processes.from_environment()
    if recipe.config.batch_size % processes.world:
        raise UsageError(f"batch_size={recipe.config.batch_size} is no multiple of the {processes.world} processes.")
    if processes.first:
        recipe.entry.check_metrics(recipe.config, recipe.objective)
        recipe.entry.check(recipe.config, recipe.data)
        recipe.entry.prepare(recipe.config, recipe.data)
        folder.mkdir(parents=True, exist_ok=True)
        recipe.write(folder / CONFIG)
    processes.barrier()
    variant = recipe.entry.build(
        recipe.config, recipe.data, device=pick_device(device), seed=recipe.seed, processes=processes
    )
    loop = Loop(variant, recipe.objective)
    training = TrainingFolder(folder, loop, recipe.config.as_dict())
    try:
        while not loop.finished:
            _epoch(training, show=processes.first)
    except DivergedError as error:
        print(f"error: {error}; {folder} keeps the epochs before.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n  interrupted after epoch {loop.epoch_done}; the same command resumes from there.")
        return 130
    training.close()
    try:
        if processes.first:
            _finish(folder, recipe, loop)
    finally:
        processes.leave()
    return 0


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    """Refuse to resume a folder's training with another recipe than its own."""
    if not (folder / CHECKPOINT).exists():
        return
    if Recipe.read(folder / CONFIG, {}, {}) != recipe:
        raise UsageError(f"{folder} holds a training with other settings; write elsewhere with to=FOLDER.")


def _epoch(training: TrainingFolder, *, show: bool) -> None:
    """Train one epoch, with a bar on a terminal and a line after it."""
    loop = training.loop
    bar = tqdm(
        total=loop.steps_per_epoch, desc=f"  epoch {loop.epoch_done + 1}", leave=False, disable=None if show else True
    )
    with bar:
        report = training.run_epoch(bar.update)
    if show:
        print(_line(loop, report), flush=True)


def _finish(folder: Path, recipe: Recipe, loop: Loop) -> None:
    """Write the folder as an export, and print which epoch its weights are of.

    Raises:
        UsageError: training ended in a stage whose weights are no model yet.
    """
    report, objective = read_report(folder / BEST_WEIGHTS), recipe.objective
    check_usable(loop.variant.stages, {**report, "stop_reason": loop.monitor.stop_reason}, str(folder))
    stage = f" in stage {report[STAGE_NAME]}" if report.get(STAGES_LEFT) else ""
    early_end = f"; ended early{stage}: {loop.monitor.stop_reason}" if loop.monitor.stop_reason else ""
    origin = f"Trained in full for {loop.epoch_done} epochs{early_end}."
    baselines = compute(recipe.entry, recipe.config, recipe.data)
    facts = {**loop.variant.describe(), **recipe.describe_adequacy(), **baselines.as_facts()}
    write_export(folder, recipe, folder / BEST_WEIGHTS, {}, facts, origin)
    goals = " · ".join(f"{goal.metric} {report[goal.metric]:.4f}" for goal in objective.goals)
    epoch = f"{'last' if objective.is_multi else 'best'} epoch {report['epoch']}"
    print(f"  {epoch}{stage}: {goals}{_violations(objective, report)}    {folder}")
    for line in baselines.compare(recipe.objective, {"training": report}):
        print(f"    {line}")


def _line(loop: Loop, report: dict[str, Any]) -> str:
    left = report["time/total_s"] / loop.epoch_done * (loop.config.epochs - loop.epoch_done)
    objective = loop.monitor.objective
    mark = " *" if loop.monitor.stands and not objective.is_multi else ""
    goals = " · ".join(f"{goal.metric} {report[goal.metric]:.4f}" for goal in objective.goals)
    figures = f"loss {report['train/total']:.4f} · {goals}{mark}{_violations(objective, report)}"
    findings = "".join(f" · {finding.message}" for finding in loop.monitor.findings)
    return f"  epoch {loop.epoch_done}/{loop.config.epochs} · {figures} · {left:.0f} s left{findings}"


def _violations(objective: Objective, report: Mapping[str, Any]) -> str:
    """Name the violated constraints, with metric and bound; empty without any."""
    violations = " and ".join(objective.describe_violations(report))
    return f" · violates {violations}" if violations else ""


if __name__ == "__main__":
    run_command(main)
