"""The proof: `python -m analysis.retrain run=runs/NAME top=3 seeds=5`.

Trains the best trials of a run and the default settings again, in full, on seeds that the search has not used; judges
by validation which is best and whether it is better than the default; and scores both, once, on the test split, if
that is decided.
"""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

from analysis.frames.experiment import PROOF_FOLDER, Experiment, load
from analysis.proof import ledger
from analysis.proof.console import format_proof
from analysis.proof.evaluation import check_weights, compare_on_test, name_test_metric, score_trainings
from analysis.proof.judgement import judge
from analysis.proof.result import Proof, add_earlier_test
from analysis.proof.statistics import default_seed_count
from analysis.questions.baselines import compare_means
from search.record import RunFolder
from search.retraining import Proposal, Training, retrain
from trainables.commands import command_help, parse_arguments, run_command
from trainables.objective import Goal
from trainables.settings import Settings, UsageError, setting, suggest_name
from trainables.standing import describe_excluded

USAGE = """
Train the best trials of a run and the default settings again, over fresh seeds, and say which is better.

  python -m analysis.retrain run=runs/NAME top=3 seeds=5
  python -m analysis.retrain run=runs/NAME top=3 seeds=5 epochs=50 gpus_per_trial=0.5
  python -m analysis.retrain run=runs/NAME seeds=10 test=false        more seeds; the test split is left alone
  python -m analysis.retrain run=runs/NAME smallest_gain=0.01         a gain below that is of no interest

The default is trained on √top times as many seeds, because every candidate is compared with it. After an interruption
the same command resumes the proof.

The verdict is "better" or "worse" where the interval of the gain excludes zero, "no better" where it excludes a gain
of interest, and else "not decided", with the number of seeds that would decide it. Once it is decided, the winner and
the default are scored on the test split, once; test=true does so in any case, test=false never.

With several goals the space's rule decides, as in the search: a goal with a tolerance (give_up) must exclude a larger
loss, the first without one must show a gain. The chosen trial comes first: top=1 proves that one. goal=METRIC judges
by that goal alone.

Exit code: 0 whoever wins, 1 if nothing could be judged, 2 for input that cannot be used, 130 after Ctrl-C.
"""
FIRST_SEED = 1000
"""The first fresh seed, the same for every run, so that runs can be compared seed by seed."""
PLACEMENT = (
    "address",
    "cpus",
    "gpus",
    "cpus_per_trial",
    "gpus_per_trial",
    "max_concurrent",
    "trial_timeout_s",
    "ray_start_timeout_s",
    "quiet",
)


@dataclass(frozen=True, kw_only=True)
class ProofRequest(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not", path=True)
    top: int = setting(3, "how many of the best trials", low=1)
    seeds: int = setting(5, "fresh seeds for each of them", low=1)
    epochs: int | None = setting(None, "full budget; none: that of the run", low=1)
    goal: str = setting(
        "", "with several goals, the only one to choose and judge by; empty: all, by the rule of the space"
    )
    smallest_gain: float | None = setting(
        None, "smallest gain of interest, in the unit of the goal that decides; none: one standard deviation between "
        "seeds", low=0.0,
    )  # fmt: skip
    test: Literal["auto", "true", "false"] = setting(
        "auto", "score winner and default on the test split, entered in the run's ledger; auto: once it is decided"
    )
    again: bool = setting(False, "look at the test split although the ledger has an entry")
    retry: bool = setting(
        False, "train failed trainings again; otherwise a failure counts as a result, unless it is the environment's"
    )
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
    ray_start_timeout_s: float = setting(120.0, "how long a start of Ray may take; it is tried twice", low=1)
    quiet: bool = setting(False, "print the result alone")


def main(arguments: list[str]) -> int:
    """Prove a run; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, ProofRequest))
        return 0
    request = ProofRequest.from_dict(parse_arguments(arguments))
    search = load(request.run)
    goal = _find_goal(search, request.goal)
    if request.test == "true":
        ledger.check_unseen(search.path, repeat=request.again)
    plan = plan_trainings(search, request.top, request.seeds, goal)
    if not request.quiet:
        print(_describe_plan(search, plan), flush=True)
    if not _train(search, plan, request):
        print("  interrupted; nothing is lost.")
        print(f"  resume:  python -m analysis.retrain {shlex.join(arguments)}")
        return 130
    keys = {(training.origin, training.seed or 0) for training in plan}
    proof = judge(search, load(search.path / PROOF_FOLDER), goal, keys, request.smallest_gain)
    proof = add_earlier_test(proof, ledger.read_looks(search.path))
    proof.write(search.path)
    if _wants_test(search, proof, request):
        proof = _add_test(search, proof, request)
        proof.write(search.path)
    print("\n".join(format_proof(proof, search, compare_means(proof, search.path))))
    return 0 if proof.winner is not None else 1


def plan_trainings(search: Experiment, top: int, seeds: int, goal: Goal | None) -> list[Proposal]:
    """Plan the trainings, seed by seed: the default first, then the candidates; the default's further seeds come last.

    Raises:
        UsageError: the run has no trial with a result other than the default.
    """
    params = _best_params(search, top, goal)
    if not params:
        raise UsageError(f"{search.path} has no trial with a result yet but the default; let the search continue.")
    fresh_seeds = (seed for seed in itertools.count(FIRST_SEED) if seed != search.run.get("seed"))
    default = search.space.default_params()
    plan = []
    for index, seed in enumerate(itertools.islice(fresh_seeds, default_seed_count(seeds, len(params)))):
        plan.append(Proposal(default, "default", seed))
        if index < seeds:
            plan += [Proposal(values, f"trial {trial}", seed) for trial, values in params.items()]
    return plan


def _best_params(search: Experiment, top: int, goal: Goal | None) -> dict[int, dict[str, Any]]:
    """Return the settings of the trial that a declared rule chooses, then of the best; with a goal, of the best by it.

    The default, repeated settings and trials without a record are left out.
    """
    trials = search.trials.loc[search.ranking]
    trials = trials[trials["status"] != "unknown"]
    if goal is not None and goal != search.objective.first:
        trials = trials.assign(key=-goal.sign * trials[goal.metric]).sort_values(["violation", "key"], kind="stable")
    order = [int(trial) for trial in trials.index]
    if goal is None and search.objective.has_tolerance:
        order.sort(key=lambda trial: trial != search.choice)  # the trial of a declared rule is the one to prove
    best: dict[int, dict[str, Any]] = {}
    for trial in order:
        params = search.folder.trial(trial).params
        if trial != 0 and params not in (search.space.default_params(), *best.values()):
            best[trial] = params
        if len(best) == top:
            break
    return best


def _find_goal(search: Experiment, metric: str) -> Goal | None:
    """Find the only goal to judge by; None: all goals count."""
    goals = {goal.metric: goal for goal in search.objective.goals}
    if metric and metric not in goals:
        raise UsageError(f"goal={metric} is no goal of {search.name}; {suggest_name(metric, list(goals))}")
    if metric:
        return goals[metric]
    return None if search.objective.is_multi else search.objective.first


def _describe_plan(search: Experiment, plan: list[Proposal]) -> str:
    counts = Counter(training.origin for training in plan)
    trainings = ", ".join(f"{origin} × {count}" for origin, count in counts.items())
    remarks = filter(None, (search.default_note, describe_excluded(search.excluded)))
    lines = [
        f"{search.name} · {len(plan)} trainings in full over fresh seeds: {trainings}",
        *(f"  in the search: {remark}" for remark in remarks),
        f"  watch:  tensorboard --logdir {shlex.quote(str(search.path))}",
    ]
    return "\n".join(lines)


def _train(search: Experiment, plan: list[Proposal], request: ProofRequest) -> bool:
    """Train what is planned; return whether all trainings have ended."""
    placement = {name: getattr(request, name) for name in PLACEMENT}
    gpus, processes = request.gpus_per_trial, request.processes
    if processes == "auto":
        processes = int(gpus) if gpus != "auto" and gpus > 1 else 1
    if processes == 1 and gpus != "auto" and gpus > 1:
        raise UsageError(f"gpus_per_trial={gpus:g} is for as many processes, and processes=1 uses one; leave one out.")
    epochs = request.epochs or search.space.budget.max_epochs
    task = Training(epochs, processes, request.retry)
    return retrain(placement, search.space, search.path / PROOF_FOLDER, plan, task)


def _wants_test(search: Experiment, proof: Proof, request: ProofRequest) -> bool:
    """Return whether to look at the test split now: asked for, or decided and not looked at yet."""
    if proof.winner is None or request.test == "false":
        return False
    if request.test == "true":
        return True
    return proof.is_decided and (request.again or not ledger.read_looks(search.path))


def _add_test(search: Experiment, proof: Proof, request: ProofRequest) -> Proof:
    """Score all trainings of the winner and the default on the test split, and enter that as one look."""
    folder = RunFolder.open(search.path / PROOF_FOLDER)
    models = {"winner": proof.best, "default": proof.default}
    for model in models.values():
        check_weights(folder, [model.trainings[seed] for seed in model.values])
    purpose = f"trial {proof.winner} and the default, retrained"
    with ledger.reserve_look(search.path, purpose, repeat=request.again) as enter:
        figures = {
            name: score_trainings(folder, model.trainings, model.values, request.device)
            for name, model in models.items()
        }
        goals = [compare_on_test(entry.goal, figures["winner"], figures["default"]) for entry in proof.goals]
        first = next(entry for entry in goals if entry["metric"] == name_test_metric(proof.goal))
        result = {**first, "goals": goals}
        looks = enter({"trial": proof.winner, **result, "figures": figures})
    return replace(proof, test={**result, "looks": looks})


if __name__ == "__main__":
    run_command(main)
