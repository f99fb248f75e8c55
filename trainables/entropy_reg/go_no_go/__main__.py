"""Judge a regularised config against its twin: `python -m trainables.entropy_reg.go_no_go`.

go_no_go.html      the decision and its evidence, one file that needs no other
go_no_go.json      the same for programs, with the values of every image and probe
bias_maps.npz      ARM/KIND → the density on images without content, mean over probes and seeds
go_no_go.yaml      the plan: recipe, data out of domain, seeds
looks.json         one line per look at the test split
trainings/         one training folder per arm and seed; an interrupted training is resumed
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from trainables.commands import command_help, parse_parts, run_command
from trainables.entropy_reg.go_no_go.arms import judge_arms
from trainables.entropy_reg.go_no_go.criteria import decide, reject_training
from trainables.entropy_reg.go_no_go.plan import Plan
from trainables.entropy_reg.go_no_go.record import PAGE, PLAN, TRAININGS, check_folder, enter_look, write_verdict
from trainables.entropy_reg.go_no_go.training import train
from trainables.entropy_reg.go_no_go.verdict import Evidence
from trainables.export.recipe import Recipe
from trainables.files import write_yaml
from trainables.settings import LARGEST_COUNT, LARGEST_SEED, Settings, setting

USAGE = """
Decide whether a regularised config may replace its twin, the same config with regulariser=none.

  python -m trainables.entropy_reg.go_no_go config=export/NAME/config.yaml
  python -m trainables.entropy_reg.go_no_go config=export/NAME/config.yaml seeds=5 ood.source=pysaliency ood.root=FOLDER

Both arms are trained in full with every seed and judged on the test split with the weights of the last epoch.
data.FIELD=… changes a field of the variant's Data, fixed.FIELD=… one of its Config, and ood.FIELD=… one of the data out
of domain. Without any ood.FIELD, synthetic data lose their centre bias, and others are cropped to corners (crop=0.7).
"""

PARTS = ("data", "fixed", "ood")


@dataclass(frozen=True, kw_only=True)
class Request(Settings):
    """The keys of the command line."""

    config: str = setting(help="the config.yaml of an export or of a training", path=True)
    to: str = setting("", "folder to write; empty: go_no_go/ beside the config", path=True)
    seeds: int = setting(3, "trainings of each arm", low=1)
    first_seed: int = setting(
        1000, "the first of their seeds, away from those of a search", low=0, high=LARGEST_SEED - LARGEST_COUNT
    )
    device: str = setting("auto", "auto: the GPU if there is one; or cpu, cuda")
    again: bool = setting(False, "look at the test split once more where there is a verdict; looks are counted")


def main(arguments: list[str]) -> int:
    """Train, judge and write the page; return the exit code, 0 for GO and NO-GO alike."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Request))
        return 0
    request, plan = _parse(arguments)
    folder = Path(request.to) if request.to else Path(request.config).parent / "go_no_go"
    check_folder(folder, plan, repeat=request.again)
    plan.recipe.entry.check(plan.config, plan.recipe.data)
    plan.recipe.entry.check(plan.config, plan.ood)
    try:
        _train_and_judge(folder, plan, request.device, _repeat_command(arguments, request, folder))
    except KeyboardInterrupt:
        print(f"\n  interrupted; the same command resumes from what is in {folder}.")
        return 130
    return 0


def _parse(arguments: list[str]) -> tuple[Request, Plan]:
    request, parts = parse_parts(arguments, Request, PARTS)
    for part in parts.values():
        if part.get("source") == "synthetic":
            part.setdefault("root", None)
    recipe = Recipe.read(Path(request.config), parts["fixed"], parts["data"], request.first_seed)
    seeds = tuple(range(request.first_seed, request.first_seed + request.seeds))
    return request, Plan.of_recipe(recipe, parts["ood"], seeds)


def _repeat_command(arguments: list[str], request: Request, folder: Path) -> str:
    """Return the command that repeats the go/no-go from any working directory."""
    options = [word for word in arguments if word.partition("=")[0] not in ("config", "to", "again")]
    paths = [f"config={Path(request.config).resolve()}", f"to={folder.resolve()}"]
    return shlex.join(["python", "-m", "trainables.entropy_reg.go_no_go", *paths, *options, "again=true"])


def _train_and_judge(folder: Path, plan: Plan, device_name: str, command: str) -> None:
    from trainables.processes import pick_device  # noqa: PLC0415
    from trainables.training.monitor import DivergedError  # noqa: PLC0415  (mistakes are reported before torch loads)

    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(folder / PLAN, plan.as_dict())
    device, recipes = str(pick_device(device_name)), plan.recipes()
    plan.recipe.entry.prepare(plan.config, plan.recipe.data, ("train", "val", "test"))
    plan.recipe.entry.prepare(plan.config, plan.ood, ("train", "val", "test"))
    name = ""
    evidence = Evidence({}, {}, {})
    try:
        for number, (name, recipe) in enumerate(recipes.items(), start=1):
            train(folder / TRAININGS / name, recipe, device, f"{name} ({number} of {len(recipes)})")
    except DivergedError as error:
        verdict = reject_training(f"the training {name} did not finish: {error}")
    else:
        enter_look(folder)
        evidence = judge_arms(folder / TRAININGS, recipes, plan.ood, device)
        verdict = decide(evidence.arms["regularised"], evidence.arms["twin"])
    write_verdict(folder, plan, verdict, evidence, command)
    print(f"  {'GO' if verdict.go else 'NO-GO'}: {verdict.reason}\n  {folder / PAGE}")


if __name__ == "__main__":
    run_command(main)
