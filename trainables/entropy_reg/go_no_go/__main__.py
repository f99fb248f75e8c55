"""Judge a regularised config against its twin: `python -m trainables.entropy_reg.go_no_go`.

go_no_go.html      the decision and what it rests on, one file that needs no other
go_no_go.json      the same for programs, every image's and probe's figure included
bias_maps.npz      ARM/KIND → the density on images without content, mean over probes and seeds
go_no_go.yaml      what the verdict is about: recipe, data out of domain, seeds
looks.json         one line for each look at the test split
trainings/         a training folder for each arm and seed; an interrupted one is gone on with
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from trainables.commands import run_command, command_help, parse_parts
from trainables.contract import DataConfig
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.go_no_go.arms import ARMS, judged
from trainables.entropy_reg.go_no_go.criteria import RESAMPLES, Arm, Thresholds, Verdict, decide, diverged
from trainables.entropy_reg.go_no_go.verdict_page import render
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, RESULT, append_line, read_lines, read_yaml, replace_text, write_yaml
from trainables.settings import Settings, UsageError, setting

USAGE = """
Decide whether a regularised config may take the place of its twin: the same one with regulariser=none.

  python -m trainables.entropy_reg.go_no_go config=export/NAME/config.yaml
  python -m trainables.entropy_reg.go_no_go config=export/NAME/config.yaml seeds=5 ood.source=pysaliency ood.root=FOLDER

Both arms are trained in full with every seed and judged on the test split with the weights of the last epoch.
data.FIELD=… changes a field of the variant's Data, fixed.FIELD=… one of its Config, and ood.FIELD=… what is different
out of domain; without any, synthetic data lose their centre bias, and others are cropped to corners (crop=0.7).
"""

PAGE, RECORD, MAPS, PLAN, LOOKS, TRAININGS = (
    "go_no_go.html", "go_no_go.json", "bias_maps.npz", "go_no_go.yaml", "looks.json", "trainings",
)  # fmt: skip
PARTS = ("data", "fixed", "ood")


@dataclass(frozen=True, kw_only=True)
class Judging(Settings):
    """The keys of the command line."""

    config: str = setting(help="the config.yaml of an export or of a training")
    to: str = setting("", "folder to write; empty: go_no_go/ beside the config")
    seeds: int = setting(3, "trainings of each arm", low=1)
    first_seed: int = setting(1000, "their seeds count from here, away from those of a search", low=0)
    device: str = setting("auto", "auto: the GPU if there is one; or cpu, cuda")
    again: bool = setting(False, "look at the test split once more where there is a verdict; looks are counted")


@dataclass(frozen=True)
class Plan:
    """All that a verdict depends on: the recipe to judge, and where and how often."""

    recipe: Recipe
    ood: DataConfig
    seeds: tuple[int, ...]

    @property
    def config(self) -> Config:
        """The config to judge."""
        return cast(Config, self.recipe.config)

    def recipes(self) -> dict[str, Recipe]:
        """Name of the training → its recipe; an arm waits for no seed of the other."""
        configs = {"twin": replace(self.config, regulariser="none"), "regularised": self.config}
        return {
            f"{arm}-{seed}": replace(self.recipe, config=configs[arm], seed=seed) for seed in self.seeds for arm in ARMS
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what they hold of the recipe can be read as one."""
        recipe = self.recipe
        parts = {"config": recipe.config, "data": recipe.data, "objective": recipe.objective, "ood": self.ood}
        plain = {name: part.as_dict() for name, part in parts.items()}  # type: ignore[attr-defined]
        return {"variant": recipe.entry.name, "seed": recipe.seed, **plain, "seeds": list(self.seeds)}


def main(arguments: list[str]) -> int:
    """Train, judge and write the page; returns the exit code, 0 for GO and NO-GO alike."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Judging))
        return 0
    judging, plan = _read(arguments)
    folder = Path(judging.to) if judging.to else Path(judging.config).parent / "go_no_go"
    _check_folder(folder, plan, judging.again)
    plan.recipe.entry.check(plan.config, plan.recipe.data)
    plan.recipe.entry.check(plan.config, plan.ood)
    try:
        _work(folder, plan, judging, _command(arguments, judging, folder))
    except KeyboardInterrupt:
        print(f"\n  interrupted; the same command goes on from there with what is in {folder}.")
        return 130
    return 0


def _read(arguments: list[str]) -> tuple[Judging, Plan]:
    judging, parts = parse_parts(arguments, Judging, PARTS)
    for part in parts.values():
        if part.get("source") == "synthetic":
            part.setdefault("root", None)
    recipe = Recipe.read(Path(judging.config), parts["fixed"], parts["data"], judging.first_seed)
    _check_config(recipe)
    in_full = replace(recipe, config=replace(recipe.config, patience=0, collapse_patience=0))  # both arms as long
    seeds = tuple(range(judging.first_seed, judging.first_seed + judging.seeds))
    return judging, Plan(in_full, _out_of_domain(recipe.data, parts["ood"]), seeds)


def _check_config(recipe: Recipe) -> None:
    if not isinstance(recipe.config, Config):
        raise UsageError(f"variant={recipe.entry.name} has no regulariser to judge; give a config of entropy_reg.")
    if recipe.config.regulariser == "none":
        raise UsageError("regulariser=none is the twin itself; choose what to judge with fixed.regulariser=entropy.")


def _out_of_domain(data: DataConfig, changes: Mapping[str, Any]) -> DataConfig:
    chosen = changes or ({"bias": "none"} if data.source == "synthetic" else {"crop": 0.7})
    ood = type(data).of({**data.as_dict(), **chosen}, where="ood.")
    if ood == data:
        raise UsageError(f"ood.{next(iter(chosen))} is as it is in domain; say what differs with ood.NAME=VALUE.")
    _check_unseen(data, ood)
    return ood


def _check_unseen(data: DataConfig, ood: DataConfig) -> None:
    """Of the same images, those that were trained on must not be judged out of domain."""
    if (data.source, data.root) != (ood.source, ood.root):
        return
    for name in data.SPLITTING:
        if getattr(data, name) != getattr(ood, name):
            raise UsageError(
                f"ood.{name}={getattr(ood, name)} splits the same images in another way than data.{name}="
                f"{getattr(data, name)}, so that it would judge on images that were trained on: leave it out."
            )


def _check_folder(folder: Path, plan: Plan, again: bool) -> None:
    """A folder is gone on with as it was begun, and a second look at the test split is asked for."""
    if (folder / PLAN).exists() and read_yaml(folder / PLAN) != plan.as_dict():
        raise UsageError(f"{folder} holds a judgement with other settings; write elsewhere with to=FOLDER.")
    if (folder / RECORD).exists() and not again:
        raise UsageError(f"{folder / PAGE} has the verdict; again=true looks at the test split once more.")


def _command(arguments: list[str], judging: Judging, folder: Path) -> str:
    """The command that does all this again from anywhere."""
    own = [word for word in arguments if word.partition("=")[0] not in ("config", "to", "again")]
    places = [f"config={Path(judging.config).resolve()}", f"to={folder.resolve()}"]
    return shlex.join(["python", "-m", "trainables.entropy_reg.go_no_go", *places, *own, "again=true"])


def _work(folder: Path, plan: Plan, judging: Judging, again: str) -> None:
    from trainables.processes import pick_device  # noqa: PLC0415
    from trainables.training.monitor import DivergedError  # noqa: PLC0415  (mistakes are told before torch loads)

    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(folder / PLAN, plan.as_dict())
    device, recipes = str(pick_device(judging.device)), plan.recipes()
    plan.recipe.entry.prepare(plan.config, plan.recipe.data, ("train", "val", "test"))
    plan.recipe.entry.prepare(plan.config, plan.ood, ("train", "val", "test"))
    name = ""
    arms: dict[str, Arm] = {}
    maps: dict[str, np.ndarray] = {}
    facts: Mapping[str, Any] = {}
    try:
        for place, (name, recipe) in enumerate(recipes.items(), start=1):
            _train(folder / TRAININGS / name, recipe, device, f"{name} ({place} of {len(recipes)})")
    except DivergedError as error:
        verdict = diverged(f"the training {name} came to no end: {error}")
    else:
        append_line(folder / LOOKS, {"time": datetime.now(UTC).isoformat(timespec="seconds")})
        arms, maps, facts = judged(folder / TRAININGS, recipes, plan.ood, device)
        verdict = decide(arms["regularised"], arms["twin"])
    record = _record(plan, verdict, arms, facts) | {"looks": read_lines(folder / LOOKS), "command": again}
    _write(folder, record, maps)
    print(f"  {'GO' if verdict.go else 'NO-GO'}: {verdict.reason}\n  {folder / PAGE}")


def _train(folder: Path, recipe: Recipe, device: str, name: str) -> None:
    """Train to the end, or on to it; what is at its end already stays as it is."""
    from trainables.training.folder import TrainingFolder  # noqa: PLC0415
    from trainables.training.loop import Loop  # noqa: PLC0415

    reports = read_lines(folder / RESULT)
    if reports and reports[-1]["epoch"] >= recipe.config.epochs:
        return
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / CONFIG)
    loop = Loop(recipe.entry.build(recipe.config, recipe.data, device=device, seed=recipe.seed), recipe.objective)
    training = TrainingFolder(folder, loop, recipe.config.as_dict())
    while not loop.finished:
        with tqdm(total=loop.steps_per_epoch, desc=f"  {name}", leave=False, disable=None) as bar:
            report = training.run_epoch(bar.update)
        left = loop.seconds / loop.epoch_done * (loop.config.epochs - loop.epoch_done)
        metric = loop.monitor.objective.first.metric
        figures = f"loss {report['train/total']:.4f} · {metric} {report[metric]:.4f} · {left:.0f} s left"
        print(f"  {name} · epoch {loop.epoch_done}/{loop.config.epochs} · {figures}", flush=True)
    training.close()


def _record(plan: Plan, verdict: Verdict, arms: Mapping[str, Arm], facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "go": verdict.go,
        "reason": verdict.reason,
        "criteria": [asdict(each) for each in verdict.criteria],
        "differences": {name: each._asdict() for name, each in verdict.differences.items()},
        "thresholds": asdict(Thresholds()),
        "bootstrap": {"resamples": RESAMPLES, "seed": 0},
        **plan.as_dict(),
        "changed": _changed(plan.config) | _changed(plan.recipe.data, "data."),
        "arms": {name: asdict(arm) for name, arm in arms.items()},
        "facts": facts,
    }


def _changed(settings: Settings, where: str = "") -> dict[str, list[Any]]:
    """Name → default and value, of those that differ."""
    defaults = {each.name: each.default for each in fields(settings)}
    pairs = {f"{where}{name}": [defaults[name], value] for name, value in settings.as_dict().items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name != "data.cache"}


def _write(folder: Path, record: Mapping[str, Any], maps: Mapping[str, np.ndarray]) -> None:
    """The record comes last, for it says that there is a verdict."""
    values = _plain(record)
    if maps:
        np.savez_compressed(folder / MAPS, **dict(maps))  # type: ignore[arg-type]
    replace_text(folder / PAGE, render(values, maps))
    replace_text(folder / RECORD, json.dumps(values, indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    """Values that JSON knows: lists for arrays, None for what is not finite."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    run_command(main)
