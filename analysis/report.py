"""One page about a run: `python -m analysis.report run=runs/NAME`.

The page is a single HTML file that opens anywhere, offline: did the search work, what mattered, what to do next.
`summary.json` beside it holds the same for programs, and TensorBoard shows it as text beside the trials. A run may be
going on, killed or damaged: the page says what there is.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.experiment import Experiment, load
from analysis.importance.estimates import NEEDED, Importances, Interaction, importances, interaction
from analysis.page import effects, figures, tables, tradeoffs
from analysis.page.blocks import Answers, Block, Commands, Note, Page, Section, Table
from analysis.page.drawing import number
from analysis.page.panels import panels
from analysis.page.proven import proof_blocks
from analysis.page.render import render, trials_of
from analysis.page.slices import shared_rung, slices
from analysis.questions.playbook import Answer, Headline, answers, headline
from analysis.summary import markdown, summary, verdicts
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, command, command_help, one_line, parse_arguments, setting

USAGE = """
Write a page about a run, and its summary.json.

  python -m analysis.report run=runs/NAME
  python -m analysis.report run=runs/NAME to=elsewhere/page.html
"""
SUMMARY = "summary.json"
EVENTS = "report"  # folder of the run, a row of its own in TensorBoard


@dataclass(frozen=True, kw_only=True)
class Report(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not")
    to: str = setting("", "file of the page; empty: report.html in the run's folder")


@dataclass(frozen=True)
class Findings:
    """What the analyses have made of a run."""

    experiment: Experiment
    headline: Headline
    answers: list[Answer]
    importances: Importances | None
    interaction: Interaction | None


def main(arguments: list[str]) -> int:
    """Write the page and the summary; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Report))
        return 0
    report = Report.of(parse_arguments(arguments))
    found = analysed(load(report.run))
    path = Path(report.to) if report.to else found.experiment.path / "report.html"
    _write(path, render(page(found)))
    _write(path.with_name(SUMMARY), json.dumps(_summary(found), indent=2, allow_nan=False, ensure_ascii=False))
    said = [_to_tensorboard(found), *found.experiment.problems[:3]]
    print(f"  {found.headline.sentence}")
    print(f"  {len(found.answers)} questions: {verdicts(found.answers)}")
    print("".join(f"  {sentence}\n" for sentence in said if sentence), end="")
    print(f"  page:  {tables.shown_path(path.resolve())}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def analysed(experiment: Experiment) -> Findings:
    """Run the analyses."""
    found = importances(experiment) if experiment.ranked else None
    together = interaction(experiment, found) if found is not None else None
    return Findings(experiment, headline(experiment), answers(experiment), found, together)


def page(found: Findings) -> Page:
    """The page of a run."""
    experiment = found.experiment
    sections = [
        Section("questions", "Did it work?", (Answers(tuple(found.answers)),)),
        *([Section("history", "History", (figures.history(experiment),))] if experiment.ranked else []),
        *([Section("curves", "Learning curves", (figures.learning_curves(experiment),))] if experiment.ranked else []),
        *_settings(found),
        *_goals(experiment),
        *_troubles(experiment),
        *([Section("best", "The best trials", (tables.top_table(experiment),))] if experiment.ranked else []),
        _provenance(experiment),
    ]
    space = experiment.space
    made = Page(
        title=experiment.name,
        facts=(space.entry.name, space.entry.title, f"data: {space.data.source}", _state(found.headline)),
        headline=found.headline.sentence,
        tiles=_tiles(found),
        first=_first(found),
        sections=tuple(sections),
        foot=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )
    return replace(made, trials=tables.pointed_at(experiment, trials_of(made)))


# -- parts of the page, from top to bottom ---------------------------------------------------------------------------


def _state(said: Headline) -> str:
    ended = said.finished + said.stopped + said.failed
    if ended >= said.budget:
        return f"finished, {said.trials:,} trials"
    return f"{ended:,} of {said.budget:,} trials so far: still running, or interrupted"


def _first(found: Findings) -> tuple[Block, ...]:
    """The proof, or that there is none yet."""
    experiment = found.experiment
    if found.experiment.proof is not None:
        return proof_blocks(found.experiment.proof)
    if experiment.best is None:
        return (Note("No trial has a result yet, so there is nothing to compare: look again after an epoch."),)
    unproved = (
        f"Trial {experiment.best} is the best of {len(experiment.ranked):,} on one seed. Chosen like that, its figure "
        f"is optimistic and may be luck; fresh seeds tell."
    )
    return Note(unproved), Commands((("prove it", tables.retrain_command(experiment)),))


def _tiles(found: Findings) -> tuple[tuple[str, str, str], ...]:
    """The figures that one looks for first."""
    said, goal = found.headline, found.experiment.objective.first
    best = f", trial {said.best_trial}" if said.best_trial is not None else ""
    spared = f"{said.epochs_saved:.0%}" if said.stopped else "–"
    failed = f"{said.failed:,} failed" if said.failed else "none failed"
    return (
        ("best", number(said.best), f"{goal.metric}{best}"),
        ("default settings", number(said.default), f"{goal.metric}, trial 0"),
        ("trials", f"{said.trials:,}", f"of {said.budget:,}; {failed}"),
        ("stopped early", f"{said.stopped_share:.0%}", f"{said.stopped:,} trials"),
        (
            "epochs spared",
            spared,
            f"about {_duration(said.hours_saved * 3600)} of training" if said.stopped else "nothing was stopped early",
        ),
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _settings(found: Findings) -> list[Section]:
    """What the settings did: slices, importances, their interaction, whole combinations."""
    experiment = found.experiment
    if not experiment.ranked or not experiment.space.dimensions:
        return []
    rung = found.importances.rung if found.importances else shared_rung(experiment, NEEDED)
    if rung is None:
        return []
    if found.importances is None:
        most = max(len(experiment.at(each)) for each in experiment.space.budget.rungs)
        none = f"Importances need {NEEDED} trials at a common rung; there are {most}."
        mattered: tuple[Block, ...] = (Note(none),)
    else:
        mattered = (effects.importance(found.importances),)
        if found.interaction is not None:
            mattered += (effects.surface(experiment, found.interaction, found.importances.rung),)
    return [
        Section("slices", "Setting by setting", (slices(experiment, rung),)),
        Section("importances", "What mattered", mattered),
        Section("combinations", "Combinations", (tradeoffs.parallel(experiment, rung),)),
    ]


def _goals(experiment: Experiment) -> list[Section]:
    plots = tradeoffs.trade_offs(experiment) if experiment.ranked else []
    title = "Pareto front" if experiment.objective.several else "Objective and constraints"
    return [Section("goals", title, tuple(plots))] if plots else []


def _troubles(experiment: Experiment) -> list[Section]:
    """Health, pictures, failures."""
    health = _or_note(tables.findings_table(experiment), "No trial has reported a health finding.")
    failed = _or_note(tables.failures_table(experiment), "No trial has failed.")
    shown = panels(experiment)
    lead = "Pictures of each trial's best epoch."
    return [
        Section("health", "Health", (health,), "What the checks that run in every trial found, commonest first."),
        *([Section("panels", "Pictures", tuple(shown), lead)] if shown else []),
        Section("failures", "Failures", (failed,)),
    ]


def _or_note(table: Table, sentence: str) -> Table | Note:
    return table if table.rows else Note(sentence)


def _provenance(experiment: Experiment) -> Section:
    blocks: tuple[Block, ...] = (tables.commands(experiment), tables.provenance(experiment))
    if experiment.problems:
        rows = tuple((problem,) for problem in experiment.problems[:100])
        more = len(experiment.problems) - len(rows)
        note = f"And {more:,} more, in {SUMMARY}." if more else ""
        blocks += (Table(("what could not be read",), rows, wide=frozenset({"what could not be read"}), note=note),)
    return Section("provenance", "How to do it again", blocks)


# -- what is written beside the page ---------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({one_line(error)}); give another place with to=FILE.") from error


def _summary(found: Findings) -> dict[str, Any]:
    return summary(found.experiment, found.headline, found.answers, found.importances, found.interaction)


def _to_tensorboard(found: Findings) -> str:
    """Show the report as text in TensorBoard; a sentence where the run's folder cannot be written."""
    from trainables.events import write_text  # noqa: PLC0415  (torch takes seconds; the page is there before)

    folder = found.experiment.path / EVENTS
    try:
        write_text(folder, "report", markdown(found.experiment, found.headline, found.answers))
    except OSError as error:
        return f"TensorBoard has no report: {folder} cannot be written ({error})."
    return ""


if __name__ == "__main__":
    command(main)
