"""One page about a run: `python -m analysis.report run=runs/NAME`.

The page is a single HTML file that opens anywhere, offline: did the search work, what mattered, what to do next.
`summary.json` beside it (`PAGE.json` beside a page elsewhere) holds the same for programs, and TensorBoard shows it as
text beside the trials. A run may be in progress, killed or damaged: the page shows what there is.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.frames.experiment import Experiment, load
from analysis.importance.estimates import (
    MIN_EXPLAINED_VARIANCE,
    MIN_TRIALS,
    Importances,
    estimate_importances,
    explain_missing_importances,
)
from analysis.importance.interaction import Interaction, estimate_interaction
from analysis.page import effects, figures, opening, ranking, tables, tradeoffs
from analysis.page.blocks import Answers, Block, Note, Page, Section, Table
from analysis.page.data import data_sections
from analysis.page.panels import collect_panels
from analysis.page.render import list_trials, render
from analysis.page.slices import draw_slices, shared_rung
from analysis.questions.answer import quote_path
from analysis.questions.leaders import describe_choice
from analysis.questions.playbook import Answer, Headline, answers, headline
from analysis.summary import count_verdicts, markdown, summary
from trainables.commands import command_help, parse_arguments, run_command
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, first_line, setting

USAGE = """
Write a page about a run, and the same as JSON beside it: summary.json, or elsewhere the page's name with .json.

  python -m analysis.report run=runs/NAME
  python -m analysis.report run=runs/NAME to=elsewhere/page.html
"""
SUMMARY = "summary.json"
EVENTS = "report"  # folder in the run's, a row of its own in TensorBoard


@dataclass(frozen=True, kw_only=True)
class ReportRequest(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not", path=True)
    to: str = setting("", "file of the page; empty: report.html in the run's folder", path=True)


@dataclass(frozen=True)
class Analysis:
    """The results of all analyses of a run."""

    experiment: Experiment
    headline: Headline
    answers: list[Answer]
    importances: Importances | None
    interaction: Interaction | None


def main(arguments: list[str]) -> int:
    """Write the page and the summary; return the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, ReportRequest))
        return 0
    request = ReportRequest.from_dict(parse_arguments(arguments))
    analysis = analyse(load(request.run))
    path, data = _output_paths(request.to, analysis.experiment.path)
    _write(path, render(build_page(analysis)))
    _write(data, json.dumps(_summary(analysis), indent=2, allow_nan=False, ensure_ascii=False))
    problems = [_write_tensorboard(analysis), *analysis.experiment.problems[:3]]
    print(f"  {analysis.headline.sentence}")
    print(f"  {len(analysis.answers)} questions: {count_verdicts(analysis.answers)}")
    print("".join(f"  {problem}\n" for problem in problems if problem), end="")
    print(f"  page:  {quote_path(path.resolve())}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def analyse(experiment: Experiment) -> Analysis:
    """Run all analyses of a run."""
    importances = estimate_importances(experiment) if experiment.ranking else None
    interaction = None
    if importances is not None and importances.explained_variance >= MIN_EXPLAINED_VARIANCE:
        interaction = estimate_interaction(experiment, importances)
    return Analysis(experiment, headline(experiment), answers(experiment), importances, interaction)


def build_page(analysis: Analysis) -> Page:
    """Build the page of a run."""
    experiment = analysis.experiment
    sections = [
        Section("questions", "Did it work?", (Answers(tuple(analysis.answers)),)),
        *([Section("history", "History", (figures.draw_history(experiment),))] if experiment.ranking else []),
        *(
            [Section("curves", "Learning curves", (figures.draw_learning_curves(experiment),))]
            if experiment.ranking
            else []
        ),
        *_settings_sections(analysis),
        *_goal_sections(experiment),
        *_problem_sections(experiment),
        *([Section("best", "The best trials", (ranking.top_table(experiment),))] if experiment.ranking else []),
        *data_sections(experiment),
        _provenance_section(experiment),
    ]
    space = experiment.space
    page = Page(
        title=experiment.name,
        facts=(
            space.entry.name,
            space.entry.title,
            f"data: {space.data.source}",
            opening.describe_progress(analysis.headline),
        ),
        headline="" if analysis.headline.winner else analysis.headline.sentence,
        tiles=opening.tiles(experiment, analysis.headline),
        opening=opening.opening_blocks(experiment),
        sections=tuple(sections),
        is_success=opening.is_success(analysis.headline),
        footer=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )
    return replace(page, trials=tables.hover_texts(experiment, list_trials(page)))


# -- parts of the page, from top to bottom ---------------------------------------------------------------------------


def _settings_sections(analysis: Analysis) -> list[Section]:
    """Build the sections on settings: slices, importances, their interaction, combinations."""
    experiment = analysis.experiment
    if not experiment.ranking or not experiment.space.dimensions:
        return []
    rung = analysis.importances.rung if analysis.importances else shared_rung(experiment, MIN_TRIALS)
    if rung is None:
        return []
    if analysis.importances is None:
        blocks: tuple[Block, ...] = (Note(explain_missing_importances(experiment)),)
    else:
        blocks = (
            effects.draw_importances(analysis.importances),
            *_interaction_blocks(experiment, analysis.importances, analysis.interaction),
        )
    return [
        Section("slices", "Setting by setting", (draw_slices(experiment, rung),)),
        Section("importances", "What mattered", blocks),
        Section("combinations", "Combinations", (tradeoffs.draw_parallel_coordinates(experiment, rung),)),
    ]


def _interaction_blocks(
    experiment: Experiment, importances: Importances, interaction: Interaction | None
) -> list[Block]:
    """Draw the interaction of two settings, or note why none is drawn."""
    if interaction is not None:
        return [effects.draw_surface(experiment, interaction, importances.rung)]
    if importances.explained_variance >= MIN_EXPLAINED_VARIANCE:
        return []
    share = f"only {importances.explained_variance:.0%}" if importances.explained_variance > 0 else "nothing"
    return [Note(f"The interaction of settings is not drawn: the forest explains {share} of the variance.")]


def _goal_sections(experiment: Experiment) -> list[Section]:
    """Draw what one goal costs in another, with the front's trials; or the objective against its constraints."""
    blocks: list[Block] = list(tradeoffs.draw_trade_offs(experiment)) if experiment.ranking else []
    several = experiment.objective.is_multi
    if several and experiment.front:
        blocks.append(ranking.front_table(experiment))
    title = "Pareto front" if several else "Objective and constraints"
    return [Section("goals", title, tuple(blocks), describe_choice(experiment))] if blocks else []


def _problem_sections(experiment: Experiment) -> list[Section]:
    """Build the sections on health, panels and failures."""
    health = _table_or_note(tables.findings_table(experiment), "No trial has reported a health finding.")
    failures = _table_or_note(tables.failures_table(experiment), "No trial has failed.")
    panels = collect_panels(experiment)
    lead = "The best trials and the default on fixed validation examples, at the epochs that stand for them."
    return [
        Section("health", "Health", (health,), "What the checks that run in every trial found, commonest first."),
        *([Section("panels", "Panels", tuple(panels), lead)] if panels else []),
        Section("failures", "Failures", (failures,)),
    ]


def _table_or_note(table: Table, sentence: str) -> Table | Note:
    return table if table.rows else Note(sentence)


def _provenance_section(experiment: Experiment) -> Section:
    blocks: tuple[Block, ...] = (tables.follow_up_commands(experiment), tables.provenance_facts(experiment))
    if experiment.problems:
        rows = tuple((problem,) for problem in experiment.problems[:100])
        remaining = len(experiment.problems) - len(rows)
        note = f"And {remaining:,} more, in the page's JSON." if remaining else ""
        column = "what could not be read"
        blocks += (Table((column,), rows, wide_columns=frozenset({column}), note=note),)
    return Section("provenance", "How to do it again", blocks)


# -- files beside the page -------------------------------------------------------------------------------------------


def _output_paths(to: str, run: Path) -> tuple[Path, Path]:
    """Choose the paths of the page and of its JSON; `summary.json` is the run's own."""
    if not to:
        return run / "report.html", run / SUMMARY
    path = Path(to)
    if path.suffix == ".json":
        raise UsageError(f"{path} would be the JSON beside a page; give the page's file, as in to=page.html.")
    return path, path.with_name(f"{path.stem}.json")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({first_line(error)}); give another path with to=FILE.") from error


def _summary(analysis: Analysis) -> dict[str, Any]:
    return summary(analysis.experiment, analysis.headline, analysis.answers, analysis.importances, analysis.interaction)


def _write_tensorboard(analysis: Analysis) -> str:
    """Write the page as text for TensorBoard; return a sentence where the run's folder cannot be written."""
    from trainables.training.tensorboard import write_text  # noqa: PLC0415  (torch takes seconds; the page is written before)

    folder = analysis.experiment.path / EVENTS
    try:
        write_text(folder, "report", markdown(analysis.experiment, analysis.headline, analysis.answers))
    except OSError as error:
        return f"TensorBoard does not show the page: {folder} cannot be written ({error})."
    return ""


if __name__ == "__main__":
    run_command(main)
