"""Export a model: `python -m analysis.export run=runs/NAME to=export/NAME`.

Writes the folder that `trainables.export.folder` describes. Of a run that has been proved (`analysis.retrain`) it is
the winner's model, with the proof on its card; before that, the best trial's, or of several goals that of the chosen
one. With `test=true` the exported model is scored on the test split, once: the look is entered in the run's ledger, and
a second one asks for `again=true`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.frames.experiment import CONFIRMATION, Experiment, load
from analysis.proof import ledger
from analysis.proof.card import sections
from analysis.proof.judgement import rows_by_trial
from analysis.proof.testing import built, check_weights, recipe_of, score
from search.record import RunFolder
from trainables.commands import command, command_help, parse_arguments
from trainables.export.folder import report_of, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, CONFIG, trial_folder
from trainables.settings import Settings, UsageError, setting

USAGE = """
Export the model of a run: the winner of its proof, or before there is one, of its best trial; of several goals, of the
trial that is chosen of their front.

  python -m analysis.export run=runs/NAME to=export/NAME
  python -m analysis.export run=runs/NAME trial=3 to=export/NAME-3      trial=0 is the default settings
  python -m analysis.export run=runs/NAME to=export/NAME test=true      and score it on the test split, once
"""


@dataclass(frozen=True, kw_only=True)
class Export(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run")
    to: str = setting(help="folder to write")
    trial: int | None = setting(None, "number of the trial; none: the proof's winner, or the best or chosen one", low=0)
    test: bool = setting(False, "score the model on the test split; entered in the run's ledger")
    device: str = setting("auto", "where the test split is scored: auto, cpu or cuda")
    again: bool = setting(False, "look at the test split although the ledger has an entry")


@dataclass(frozen=True)
class Chosen:
    """What is exported: a training, in the run's folder or in that of its confirmation.

    Attributes:
        trial: of the search.
        seed: that it was trained on again; None for the search's own training.
    """

    folder: RunFolder
    number: int
    trial: int
    seed: int | None

    @property
    def origin(self) -> str:
        """A sentence for the card."""
        if self.seed is None:
            return (
                f"Trial {self.trial} of the run {self.folder.path.name}; not trained again, so one seed speaks for it."
            )
        what = f"The settings of trial {self.trial}" if self.trial else "The default settings"
        return (
            f"{what} of the run {self.folder.path.parent.name}, trained again with seed {self.seed}, "
            "the best of its seeds by validation."
        )


def main(arguments: list[str]) -> int:
    """Export; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Export))
        return 0
    export = Export.of(parse_arguments(arguments))
    search = load(export.run)
    proof = search.proof
    if export.test:
        ledger.check_unseen(search.path, again=export.again)
    chosen = choose(search, proof, export.trial)
    weights, recipe = _weights(chosen), recipe_of(chosen.folder, chosen.number)
    tested = _known(chosen, proof)
    variant = built(recipe, export.device, seen=export.test or bool(tested))
    if export.test:
        with ledger.looking(search.path, f"trial {chosen.trial}", again=export.again) as enter:
            tested = score(variant, [weights])[0]
            enter(tested)
    evidence = sections(search, proof, chosen.trial)
    write_export(Path(export.to), recipe, weights, tested, variant.describe(), chosen.origin, evidence)
    print(_said(chosen, recipe, weights, tested, proof, Path(export.to)))
    return 0


def choose(search: Experiment, proof: Mapping[str, Any] | None, trial: int | None) -> Chosen:
    """The training to export.

    Raises:
        UsageError: no trial has a result, or the one asked for has not.
    """
    if trial is None and proof is not None and proof["winner"] is not None:
        trial = int(proof["winner"])
    repeated = rows_by_trial(proof) if proof else {}
    if trial in repeated and repeated[trial]["values"]:
        assert proof is not None  # for the type checker: it has the trial
        values = repeated[trial]["values"]
        seed = (max if proof["mode"] == "max" else min)(values, key=values.__getitem__)
        confirmation = RunFolder.open(search.path / CONFIRMATION)
        return Chosen(confirmation, int(repeated[trial]["trainings"][seed]), int(trial or 0), int(seed))
    if trial is None:
        trial = search.best if search.chosen is None else search.chosen
    if trial is None:
        raise UsageError(f"{search.path} has no trial with a result; failures.csv there says why, if any failed.")
    return Chosen(search.folder, trial, trial, None)


def _weights(chosen: Chosen) -> Path:
    weights = trial_folder(chosen.folder.path, chosen.number) / BEST_WEIGHTS
    if weights.exists():
        return weights
    if chosen.seed is not None:
        check_weights(chosen.folder, [chosen.number])
    listed = "`python -m analysis.best` lists those that have"
    raise UsageError(f"trial={chosen.number} of {chosen.folder.path} has no weights; {listed}.")


def _known(chosen: Chosen, proof: Mapping[str, Any] | None) -> dict[str, float]:
    """What the proof's look at the test split showed of these very weights."""
    if proof is None or not proof["test"] or chosen.seed is None:
        return {}
    name = {0: "default", proof["winner"]: "winner"}.get(chosen.trial, "")
    values = proof["test"].get(name, {})
    return {proof["test"]["metric"]: values[str(chosen.seed)]} if str(chosen.seed) in values else {}


def _said(
    chosen: Chosen,
    recipe: Recipe,
    weights: Path,
    tested: Mapping[str, float],
    proof: Mapping[str, Any] | None,
    to: Path,
) -> str:
    value = f"{recipe.objective.first.metric} {report_of(weights)['objective/value']:.4g}"
    seed = "" if chosen.seed is None else f", seed {chosen.seed}"
    lines = [f"  trial {chosen.trial}{seed} → {to}    {value}"]
    lines += [f"    {key:<28} {figure:.4g}" for key, figure in tested.items()]
    if proof is None:
        run = shlex.quote(f"run={chosen.folder.path}")
        lines.append(f"  is it really better?  python -m analysis.retrain {run} top=3 seeds=5")
    elif proof["verdict"] != "better" and chosen.trial:
        lines.append(f"  {proof['sentence']}\n  the default settings:  python -m analysis.export … trial=0")
    config = shlex.quote(f"config={to / CONFIG}")
    return "\n".join([*lines, f"  train it in full:  python -m trainables.train {config}"])


if __name__ == "__main__":
    command(main)
