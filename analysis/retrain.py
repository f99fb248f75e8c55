"""The proof: `python -m analysis.retrain run=runs/NAME top=3 seeds=5`.

Trains the best trials of a run and the untouched default settings again, in full, on seeds that the search never used;
judges by validation which is best and whether it is better than the default; and then looks, once, at the test split.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from analysis.frames.experiment import CONFIRMATION, Experiment, load
from analysis.proof import ledger
from analysis.proof.judgement import Candidate, Proof, judge, tested_words, with_earlier_test
from analysis.proof.statistics import default_repeats, gain
from analysis.proof.testing import check_weights, tested
from search.record import RunFolder
from search.retraining import Proposal, Training, confirm
from trainables.commands import command, command_help, parse_arguments
from trainables.objective import Goal
from trainables.settings import Settings, UsageError, nearest, setting

USAGE = """
Train the best trials of a run and the default settings again, over fresh seeds, and say which is better.

  python -m analysis.retrain run=runs/NAME top=3 seeds=5
  python -m analysis.retrain run=runs/NAME top=3 seeds=5 epochs=50 gpus_per_trial=0.5
  python -m analysis.retrain run=runs/NAME seeds=10 test=false        more seeds; the test split is left alone

The default is trained on √top times as many seeds, for every candidate is compared with it. The same command goes on
where it was interrupted. At the end the winner and the default are scored on the test split, once.

Of several goals of which one gives something up (give_up), the trial that is chosen comes first: top=1 proves that one.

Exit code: 0, whoever wins; 1 if nothing could be judged; 2 for input that cannot be used; 130 after Ctrl-C.
"""
FIRST_SEED = 1000
"""Fresh seeds count from here, the same ones for every run, so that runs can be compared seed by seed."""
PLACEMENT = (
    "address",
    "cpus",
    "gpus",
    "cpus_per_trial",
    "gpus_per_trial",
    "max_concurrent",
    "trial_timeout_s",
    "quiet",
)


@dataclass(frozen=True, kw_only=True)
class Retraining(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not")
    top: int = setting(3, "how many of the best trials", low=1)
    seeds: int = setting(5, "fresh seeds for each of them", low=1)
    epochs: int | None = setting(None, "full budget; none: that of the run", low=1)
    goal: str = setting(
        "", "of several objectives the one to choose and judge by, at the best epoch by the first; empty: the first"
    )
    test: bool = setting(True, "score winner and default on the test split at the end; entered in the run's ledger")
    again: bool = setting(False, "look at the test split although the ledger has an entry")
    retry: bool = setting(False, "train those that failed again; else a failure is a result")
    processes: int | Literal["auto"] = setting(
        "auto", "processes of one training, with ray.train; auto: one per GPU", low=1
    )
    device: str = setting("auto", "where the test split is scored: auto, cpu or cuda")
    address: str = setting("", "a Ray cluster to join (auto, or host:port); empty: this machine alone")
    cpus: int | None = setting(None, "CPUs of this machine that may be used; none: all", low=1)
    gpus: int | None = setting(None, "GPUs of this machine; none: those found", low=0)
    cpus_per_trial: float = setting(1.0, "CPUs of one process, and its torch threads", low=0.1)
    gpus_per_trial: float | Literal["auto"] = setting(
        "auto", "GPUs of one training: a fraction to share one, more than 1 for as many processes", low=0
    )
    max_concurrent: int | None = setting(None, "trainings at a time; none: as many as fit", low=1)
    trial_timeout_s: float | None = setting(None, "kill a training that takes longer, hung or not", low=0.1)
    quiet: bool = setting(False, "print the result alone")


def main(arguments: list[str]) -> int:
    """Retrain and judge; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Retraining))
        return 0
    keys = Retraining.of(parse_arguments(arguments))
    search = load(keys.run)
    goal = _goal(search, keys.goal)
    if keys.test:
        ledger.check_unseen(search.path, again=keys.again)
    plan = planned(search, keys.top, keys.seeds, goal)
    if not keys.quiet:
        print(_opening(search, plan), flush=True)
    if not _trained(search, plan, keys):
        print("  interrupted; nothing is lost.")
        print(f"  go on:  python -m analysis.retrain {shlex.join(arguments)}")
        return 130
    proof = judge(search, load(search.path / CONFIRMATION), goal, {(each.origin, each.seed or 0) for each in plan})
    proof = with_earlier_test(proof, ledger.looks(search.path))
    proof.write(search.path)
    if proof.winner is not None and keys.test:
        proof = _with_test(search, proof, keys)
        proof.write(search.path)
    print("\n".join(lines(proof, search)))
    return 0 if proof.winner is not None else 1


def planned(search: Experiment, top: int, seeds: int, goal: Goal) -> list[Proposal]:
    """The trainings: seed by seed, the default first, which has further seeds at the end.

    Raises:
        UsageError: the run has no trial with a result but the default.
    """
    params = _best_params(search, top, goal)
    if not params:
        raise UsageError(f"{search.path} has no trial with a result yet but the default; let it go on.")
    unused = (seed for seed in itertools.count(FIRST_SEED) if seed != search.run.get("seed"))
    default = search.space.default_params()
    plan = []
    for place, seed in enumerate(itertools.islice(unused, default_repeats(seeds, len(params)))):
        plan.append(Proposal(default, "default", seed))
        if place < seeds:
            plan += [Proposal(values, f"trial {trial}", seed) for trial, values in params.items()]
    return plan


def _best_params(search: Experiment, top: int, goal: Goal) -> dict[int, dict[str, Any]]:
    """The trial of a declared rule, then the best by a goal, with their settings.

    The default, repeated settings and lost records are left out.
    """
    known = search.trials.loc[search.ranked]
    known = known[known["status"] != "unknown"]
    if goal != search.objective.first:
        known = known.assign(by=-goal.sign * known[goal.metric]).sort_values(["violation", "by"], kind="stable")
    order = [int(trial) for trial in known.index]
    if search.objective.trades:
        order.sort(key=lambda trial: trial != search.chosen)  # what a declared rule chooses is what is to be proved
    found: dict[int, dict[str, Any]] = {}
    for trial in order:
        params = search.folder.trial(trial).params
        if trial != 0 and params not in (search.space.default_params(), *found.values()):
            found[trial] = params
        if len(found) == top:
            break
    return found


def lines(proof: Proof, search: Experiment) -> list[str]:
    """The result for people: its first line is the answer."""
    said = [f"  {proof.sentence}"]
    if proof.winner is not None:
        said.append(f"  {proof.optimism}")
    for each in (*proof.candidates, proof.default):
        said.append(f"    {_row(each)}")
    if proof.test:
        said.append(f"  test split, look {proof.test['looks']}: {proof.test['metric']} {tested_words(proof.test)}")
    run, to = shlex.quote(f"run={search.path}"), shlex.quote(f"to=export/{search.name}")
    return [*said, f"  next:   python -m analysis.report  {run}", f"          python -m analysis.export  {run} {to}"]


def _goal(search: Experiment, metric: str) -> Goal:
    goals = {goal.metric: goal for goal in search.objective.goals}
    if metric and metric not in goals:
        raise UsageError(f"goal={metric} is no objective of {search.name}; {nearest(metric, list(goals))}")
    return goals[metric] if metric else search.objective.first


def _opening(search: Experiment, plan: list[Proposal]) -> str:
    origins = list(dict.fromkeys(each.origin for each in plan))
    counts = ", ".join(f"{origin} × {sum(each.origin == origin for each in plan)}" for origin in origins)
    return (
        f"{search.name} · {len(plan)} trainings in full over fresh seeds: {counts}\n"
        f"  watch:  tensorboard --logdir {shlex.quote(str(search.path))}"
    )


def _trained(search: Experiment, plan: list[Proposal], keys: Retraining) -> bool:
    """Run the confirmation; whether all of it has ended."""
    where = {key: getattr(keys, key) for key in PLACEMENT}
    gpus, processes = keys.gpus_per_trial, keys.processes
    if processes == "auto":
        processes = int(gpus) if gpus != "auto" and gpus > 1 else 1
    if processes == 1 and gpus != "auto" and gpus > 1:
        raise UsageError(f"gpus_per_trial={gpus:g} is for as many processes, and processes=1 uses one; leave one out.")
    epochs = keys.epochs or search.space.budget.max_epochs
    task = Training(epochs, processes, keys.retry)
    return confirm(where, search.space, search.path / CONFIRMATION, plan, task)


def _with_test(search: Experiment, proof: Proof, keys: Retraining) -> Proof:
    """Score every training of the winner and the default on the test split, and enter that as one look."""
    confirmation = RunFolder.open(search.path / CONFIRMATION)
    models = {"winner": proof.best, "default": proof.default}
    for each in models.values():
        check_weights(confirmation, [each.trainings[seed] for seed in each.values])
    metric = f"test/{proof.goal.metric.removeprefix('val/')}"
    what = f"trial {proof.winner} and the default, retrained"
    with ledger.looking(search.path, what, again=keys.again) as enter:
        figures: dict[str, Mapping[int, dict[str, float]]] = {
            name: tested(confirmation, each.values, each.trainings, keys.device) for name, each in models.items()
        }
        values = {name: {seed: each.get(metric, math.nan) for seed, each in figures[name].items()} for name in models}
        signed = {name: {seed: proof.goal.sign * value for seed, value in values[name].items()} for name in models}
        shown: dict[str, Any] = {
            "metric": metric,
            **values,
            "gain": gain(signed["winner"], signed["default"]).as_dict(),
        }
        looks = enter({"trial": proof.winner, **shown, "figures": figures})
    return replace(proof, test={**shown, "looks": looks})


def _row(candidate: Candidate) -> str:
    values = " ".join(f"{value:.4g}" for value in candidate.values.values())
    failed = f"   failed on {', '.join(map(str, candidate.failed))}" if candidate.failed else ""
    kept = "" if candidate.feasible else "   violates a constraint"
    return f"{candidate.name:<12} {candidate.mean:.4g}   ({values}){failed}{kept}"


if __name__ == "__main__":
    command(main)
