"""One page about a run: `python -m analysis.report run=runs/NAME`.

The page is a single HTML file that opens anywhere, offline: did the search work, what mattered, what to do next.
`summary.json` beside it (of a page elsewhere, `PAGE.json`) holds the same for programs, and TensorBoard shows it as
text beside the trials. A run may be going on, killed or damaged: the page says what there is.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.frames.experiment import Experiment, load
from analysis.importance.estimates import EXPLAINED, NEEDED, Importances, importances, why_none
from analysis.importance.interaction import Interaction, interaction
from analysis.page import effects, figures, opening, ranking, tables, tradeoffs
from analysis.page.blocks import Answers, Block, Note, Page, Section, Table
from analysis.page.panels import panels
from analysis.page.render import render, trials_of
from analysis.page.slices import shared_rung, slices
from analysis.questions.answer import shown
from analysis.questions.leading import chosen_words
from analysis.questions.playbook import Answer, Headline, answers, headline
from analysis.summary import markdown, summary, verdicts
from trainables.commands import command, command_help, parse_arguments
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, one_line, setting

USAGE = """
Write a page about a run, and the same as JSON beside it: summary.json, or elsewhere the page's name with .json.

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
    path, data = _places(report.to, found.experiment.path)
    _write(path, render(page(found)))
    _write(data, json.dumps(_summary(found), indent=2, allow_nan=False, ensure_ascii=False))
    said = [_to_tensorboard(found), *found.experiment.problems[:3]]
    print(f"  {found.headline.sentence}")
    print(f"  {len(found.answers)} questions: {verdicts(found.answers)}")
    print("".join(f"  {sentence}\n" for sentence in said if sentence), end="")
    print(f"  page:  {shown(path.resolve())}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def analysed(experiment: Experiment) -> Findings:
    """Run the analyses."""
    found = importances(experiment) if experiment.ranked else None
    together = interaction(experiment, found) if found is not None and found.explained >= EXPLAINED else None
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
        *([Section("best", "The best trials", (ranking.top_table(experiment),))] if experiment.ranked else []),
        _provenance(experiment),
    ]
    space = experiment.space
    made = Page(
        title=experiment.name,
        facts=(space.entry.name, space.entry.title, f"data: {space.data.source}", opening.state(found.headline)),
        headline="" if found.headline.proved else found.headline.sentence,
        tiles=opening.tiles(experiment, found.headline),
        first=opening.first(experiment),
        sections=tuple(sections),
        triumph=opening.triumph(found.headline),
        foot=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )
    return replace(made, trials=tables.pointed_at(experiment, trials_of(made)))


# -- parts of the page, from top to bottom ---------------------------------------------------------------------------


def _settings(found: Findings) -> list[Section]:
    """What the settings did: slices, importances, their interaction, whole combinations."""
    experiment = found.experiment
    if not experiment.ranked or not experiment.space.dimensions:
        return []
    rung = found.importances.rung if found.importances else shared_rung(experiment, NEEDED)
    if rung is None:
        return []
    if found.importances is None:
        mattered: tuple[Block, ...] = (Note(why_none(experiment)),)
    else:
        mattered = (effects.importance(found.importances), *_together(experiment, found.importances, found.interaction))
    return [
        Section("slices", "Setting by setting", (slices(experiment, rung),)),
        Section("importances", "What mattered", mattered),
        Section("combinations", "Combinations", (tradeoffs.parallel(experiment, rung),)),
    ]


def _together(experiment: Experiment, found: Importances, pair: Interaction | None) -> list[Block]:
    """The interaction of two settings, or why none is drawn."""
    if pair is not None:
        return [effects.surface(experiment, pair, found.rung)]
    if found.explained >= EXPLAINED:
        return []
    explained = f"only {found.explained:.0%}" if found.explained > 0 else "nothing"
    return [Note(f"How settings act together is not drawn: the forest explains {explained} of what differs.")]


def _goals(experiment: Experiment) -> list[Section]:
    """What one goal costs in another, with the trials of the front; or the objective against its constraints."""
    blocks: list[Block] = list(tradeoffs.trade_offs(experiment)) if experiment.ranked else []
    several = experiment.objective.several
    if several and experiment.front:
        blocks.append(ranking.front_table(experiment))
    title = "Pareto front" if several else "Objective and constraints"
    return [Section("goals", title, tuple(blocks), chosen_words(experiment))] if blocks else []


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
        note = f"And {more:,} more, in the page's JSON." if more else ""
        blocks += (Table(("what could not be read",), rows, wide=frozenset({"what could not be read"}), note=note),)
    return Section("provenance", "How to do it again", blocks)


# -- what is written beside the page ---------------------------------------------------------------------------------


def _places(to: str, run: Path) -> tuple[Path, Path]:
    """Where the page goes, and its JSON beside it; `summary.json` is the run's own."""
    if not to:
        return run / "report.html", run / SUMMARY
    path = Path(to)
    if path.suffix == ".json":
        raise UsageError(f"{path} is where the JSON of a page would go; give the page's place, as in to=page.html.")
    return path, path.with_name(f"{path.stem}.json")


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
    from trainables.training.tensorboard import write_text  # noqa: PLC0415  (torch takes seconds; the page is there before)

    folder = found.experiment.path / EVENTS
    try:
        write_text(folder, "report", markdown(found.experiment, found.headline, found.answers))
    except OSError as error:
        return f"TensorBoard has no report: {folder} cannot be written ({error})."
    return ""


if __name__ == "__main__":
    command(main)
