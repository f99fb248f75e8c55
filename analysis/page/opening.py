"""The top of a run's page: its progress, its key figures, and its proof, or how to get one."""

from __future__ import annotations

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Block, Commands, Note
from analysis.page.drawing import format_number
from analysis.page.proof import proof_blocks
from analysis.page.tables import proof_commands
from analysis.questions.baselines import read_baselines
from analysis.questions.headline import Headline
from analysis.questions.leaders import Winner
from analysis.wording import format_count
from trainables.baselines import CHANCE

Tile = tuple[str, str, str]


def describe_progress(headline: Headline) -> str:
    """Describe how many trials have ended; one whose record is lost counts as ended."""
    done = headline.trials - headline.running
    if done >= headline.budget:
        return f"finished, {format_count(headline.trials, 'trial')}"
    return f"{done:,} of {format_count(headline.budget, 'trial')} so far: still running, or interrupted"


def is_success(headline: Headline) -> bool:
    """Tell whether the first tile stands out: not where fresh seeds contradict the search."""
    return headline.winner is None or headline.winner.verdict == "better"


def opening_blocks(experiment: Experiment) -> tuple[Block, ...]:
    """Build the blocks of the proof; without one, of what the search's best is worth and how to prove it."""
    if experiment.proof is not None:
        return proof_blocks(experiment.proof, has_constraints=bool(experiment.objective.constraints))
    if experiment.best is None:
        return (_no_result(experiment),)
    if experiment.best == 0 and not experiment.choice:
        return (Note(_describe_unbeaten(experiment)),)
    return Note(_describe_best(experiment)), Commands(tuple(proof_commands(experiment, "prove it")))


def tiles(experiment: Experiment, headline: Headline) -> tuple[Tile, ...]:
    """Build the key figures: over fresh seeds where there is a proof, then those of the search."""
    failed = f"{headline.failed:,} failed" if headline.failed else "none failed"
    saving = (
        f"about {_format_duration(headline.saved_hours * 3600)} of training"
        if headline.cut_short
        else "nothing was stopped early"
    )
    return (
        *(_proof_tiles(headline.winner) if headline.winner else ()),
        *_search_tiles(experiment, headline),
        *_baseline_tiles(experiment),
        ("trials", f"{headline.trials:,}", f"of {headline.budget:,}; {failed}"),
        ("stopped by the scheduler", f"{headline.stopped_share:.0%}", format_count(headline.cut_short, "trial")),
        ("epochs saved", f"{headline.saved_epochs:.0%}" if headline.cut_short else "–", saving),
    )


def _no_result(experiment: Experiment) -> Note:
    trials = experiment.trials
    if len(trials) and (trials["status"] == "failed").all():
        words = "The only trial has failed" if len(trials) == 1 else f"All {len(trials):,} trials have failed"
        return Note(f"{words}, so there is nothing to compare: see why under Failures.", "bad")
    return Note("No trial has a result yet, so there is nothing to compare: look again after an epoch.")


def _describe_best(experiment: Experiment) -> str:
    if len(experiment.ranking) == 1:
        return (
            f"Trial {experiment.best} is the only one with a result, on one seed. A single value may be luck; "
            f"trainings with fresh seeds show whether it holds."
        )
    return (
        f"Trial {experiment.best} is the best of {len(experiment.ranking):,}{_ranking_goal(experiment)} on one seed. "
        f"The best of many values is optimistic and may be luck; trainings with fresh seeds show whether it holds."
    )


def _describe_unbeaten(experiment: Experiment) -> str:
    rivals = len(experiment.ranking) - 1
    if not rivals:
        return "Only the default settings have a result yet, so there is nothing to compare them with."
    return (
        f"No trial beats the default settings{_ranking_goal(experiment)}: {format_count(rivals, 'other trial')} had a "
        f"result. Keep the default, or search elsewhere: other ranges, other settings, more trials."
    )


def _ranking_goal(experiment: Experiment) -> str:
    """Describe which goal ranks the trials, if there are several."""
    objective = experiment.objective
    return f" by {objective.first.metric}, the first of {len(objective.goals)} goals," if objective.is_multi else ""


def _proof_tiles(winner: Winner) -> tuple[Tile, Tile]:
    name = "proved winner" if winner.verdict == "better" else "best candidate"
    seeds, default_seeds = (
        f"mean over {format_count(count, 'fresh seed')}" for count in (winner.seeds, winner.default_seeds)
    )
    return (
        (name, format_number(winner.mean), f"{winner.metric}, trial {winner.trial}, {seeds}"),
        ("default settings", format_number(winner.default), f"{winner.metric}, {default_seeds}"),
    )


def _search_tiles(experiment: Experiment, headline: Headline) -> list[Tile]:
    objective = experiment.objective
    metric = objective.first.metric
    best = f"{metric}, trial {headline.best_trial}" if headline.best_trial is not None else metric
    best += f"; the first of {len(objective.goals)} goals" if objective.is_multi else ""
    best += f"; in stage {experiment.stage}" if experiment.stage else ""
    violations = [] if headline.best_trial is None else experiment.violations(headline.best_trial)
    best += "".join(f"; violates {violation}" for violation in violations)
    if headline.winner:
        return [("best in the search, one seed", format_number(headline.best), best)]
    return [
        ("best", format_number(headline.best), best),
        ("default settings", format_number(headline.default), _describe_default(experiment, metric)),
    ]


def _baseline_tiles(experiment: Experiment) -> list[Tile]:
    """Build the tile of the strongest of chance and trivial methods, if any is recorded."""
    goal, baselines = experiment.objective.first, read_baselines(experiment.path)
    name = baselines.strongest(goal)
    if name is None:
        return []
    values = baselines.values(goal.metric)
    chance = f"; {CHANCE} {format_number(values[CHANCE])}" if CHANCE in values and name != CHANCE else ""
    return [("without a network", format_number(values[name]), f"{goal.metric}, {name}{chance}")]


def _describe_default(experiment: Experiment, metric: str) -> str:
    """Describe the figure of the default trial, or why there is none to compare with."""
    note = experiment.default_note
    return note if note and experiment.default is None else "; ".join(filter(None, [f"{metric}, trial 0", note]))


def _format_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
