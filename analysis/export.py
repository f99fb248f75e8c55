"""Export a model: `python -m analysis.export run=runs/NAME to=export/NAME`.

Writes the folder that `trainables.export.folder` describes. If the run has a proof (`analysis.retrain`), the model is
the winner's, with the proof on its card; before that it is the best trial's, or, with several goals, the chosen one's.
With `test=true` the exported model is scored on the test split, once: the look is entered in the run's ledger, and a
second one needs `again=true`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.frames.experiment import PROOF_FOLDER, Experiment, load
from analysis.proof import ledger
from analysis.proof.card import sections
from analysis.proof.evaluation import build_variant, check_weights, read_recipe, score_weights
from analysis.proof.result import rows_by_trial
from analysis.questions.baselines import read_baselines
from analysis.questions.leaders import describe_exclusion
from search.record import RunFolder
from trainables.commands import command_help, parse_arguments, run_command
from trainables.export.folder import read_report, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, CONFIG, trial_folder
from trainables.settings import Settings, UsageError, setting
from trainables.stages import check_usable

USAGE = """
Export the model of a run: that of the winner of its proof; without a proof that of the best trial, or, with several
goals, of the trial chosen from their front.

  python -m analysis.export run=runs/NAME to=export/NAME
  python -m analysis.export run=runs/NAME trial=3 to=export/NAME-3      trial=0 is the default settings
  python -m analysis.export run=runs/NAME to=export/NAME test=true      and score it on the test split, once
"""


@dataclass(frozen=True, kw_only=True)
class ExportRequest(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run", path=True)
    to: str = setting(help="folder to write", path=True)
    trial: int | None = setting(None, "number of the trial; none: the proof's winner, or the best or chosen one", low=0)
    test: bool = setting(False, "score the model on the test split; entered in the run's ledger")
    device: str = setting("auto", "where the test split is scored: auto, cpu or cuda")
    again: bool = setting(False, "look at the test split although the ledger has an entry")


@dataclass(frozen=True)
class Selection:
    """The training to export, in the run's folder or in that of its proof.

    Attributes:
        number: of the training in the folder.
        trial: of the search.
        seed: of the proof's training; None for the search's own.
        note: that the trial may not be compared with the others of the search; or empty.
    """

    folder: RunFolder
    number: int
    trial: int
    seed: int | None
    note: str = ""

    @property
    def origin(self) -> str:
        """A sentence on its origin for the card."""
        if self.seed is None:
            origin = f"Trial {self.trial} of the run {self.folder.path.name}"
            note = f" {self.note[:1].upper()}{self.note[1:]}." if self.note else ""
            return f"{origin}; not trained again, so one seed speaks for it.{note}"
        settings = f"The settings of trial {self.trial}" if self.trial else "The default settings"
        return (
            f"{settings} of the run {self.folder.path.parent.name}, trained again with seed {self.seed}, "
            "the best of its seeds by validation."
        )


def main(arguments: list[str]) -> int:
    """Export the model; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, ExportRequest))
        return 0
    export = ExportRequest.from_dict(parse_arguments(arguments))
    search = load(export.run)
    proof = search.proof
    if export.test:
        ledger.check_unseen(search.path, repeat=export.again)
    selection = choose(search, proof, export.trial)
    weights, recipe = _find_weights(selection), read_recipe(selection.folder, selection.number)
    test_metrics = _look_up_test(selection, proof)
    variant = build_variant(recipe, export.device, with_test=export.test or bool(test_metrics))
    check_usable(variant.stages, read_report(weights), f"trial={selection.number} of {selection.folder.path}")
    if export.test:
        with ledger.reserve_look(search.path, f"trial {selection.trial}", repeat=export.again) as enter:
            test_metrics = score_weights(variant, [weights])[0]
            enter(test_metrics)
    evidence = sections(search, proof, selection.trial)
    facts = {**variant.describe(), **recipe.describe_adequacy(list(variant.splits))}
    facts |= read_baselines(search.path).as_facts()
    write_export(Path(export.to), recipe, weights, test_metrics, facts, selection.origin, evidence)
    print(_format_result(selection, recipe, weights, test_metrics, proof, Path(export.to)))
    return 0


def choose(search: Experiment, proof: Mapping[str, Any] | None, trial: int | None) -> Selection:
    """Choose the training to export.

    Raises:
        UsageError: no trial has a result.
    """
    if trial is None and proof is not None and proof["winner"] is not None:
        trial = int(proof["winner"])
    rows = rows_by_trial(proof) if proof else {}
    if trial in rows and rows[trial]["values"]:
        assert proof is not None  # for the type checker: it has the trial
        values = rows[trial]["values"]
        seed = (max if proof["mode"] == "max" else min)(values, key=values.__getitem__)
        folder = RunFolder.open(search.path / PROOF_FOLDER)
        return Selection(folder, int(rows[trial]["trainings"][seed]), int(trial or 0), int(seed))
    if trial is None:
        trial = search.best if search.choice is None else search.choice
    if trial is None:
        raise UsageError(f"{search.path} has no trial with a result; failures.csv there says why, if any failed.")
    note = describe_exclusion(search, trial)
    return Selection(search.folder, trial, trial, None, f"it is {note}" if note else "")


def _find_weights(selection: Selection) -> Path:
    weights = trial_folder(selection.folder.path, selection.number) / BEST_WEIGHTS
    if weights.exists():
        return weights
    if selection.seed is not None:
        check_weights(selection.folder, [selection.number])
    hint = "`python -m analysis.best` lists those that have"
    raise UsageError(f"trial={selection.number} of {selection.folder.path} has no weights; {hint}.")


def _look_up_test(selection: Selection, proof: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the metric of these very weights in the proof's look at the test split; empty without one."""
    if proof is None or not proof["test"] or selection.seed is None:
        return {}
    name = {0: "default", proof["winner"]: "winner"}.get(selection.trial, "")
    values = proof["test"].get(name, {})
    return {proof["test"]["metric"]: values[str(selection.seed)]} if str(selection.seed) in values else {}


def _format_result(
    selection: Selection,
    recipe: Recipe,
    weights: Path,
    test_metrics: Mapping[str, float],
    proof: Mapping[str, Any] | None,
    to: Path,
) -> str:
    report, objective = read_report(weights), recipe.objective
    values = "   ".join(f"{goal.metric} {report[goal.metric]:.4g}" for goal in objective.goals)
    seed = "" if selection.seed is None else f", seed {selection.seed}"
    lines = [f"  trial {selection.trial}{seed} → {to}    {values} at epoch {report['epoch']}"]
    lines += [f"    violates {violation}" for violation in objective.describe_violations(report)]
    lines += [f"    {selection.note}"] if selection.note else []
    lines += [f"    {name:<28} {value:.4g}" for name, value in test_metrics.items()]
    if proof is None:
        run = shlex.quote(f"run={selection.folder.path}")
        lines.append(f"  is it really better?  python -m analysis.retrain {run} top=3 seeds=5")
    elif proof["verdict"] != "better" and selection.trial:
        lines.append(f"  {proof['sentence']}\n  the default settings:  python -m analysis.export … trial=0")
    config = shlex.quote(f"config={to / CONFIG}")
    return "\n".join([*lines, f"  train it in full:  python -m trainables.train {config}"])


if __name__ == "__main__":
    run_command(main)
