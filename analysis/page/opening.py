"""The top of a run's page: how far it has got, its first figures, and the proof or that there is none yet."""

from __future__ import annotations

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Block, Commands, Note
from analysis.page.drawing import number
from analysis.page.proof import proof_blocks
from analysis.page.tables import proving
from analysis.questions.answer import counted
from analysis.questions.headline import Headline
from analysis.questions.leading import Proved

Tile = tuple[str, str, str]


def state(said: Headline) -> str:
    """How many trials have ended; one whose record is lost has, too."""
    ended = said.trials - said.running
    if ended >= said.budget:
        return f"finished, {said.trials:,} trials"
    return f"{ended:,} of {said.budget:,} trials so far: still running, or interrupted"


def triumph(said: Headline) -> bool:
    """Whether the first tile stands out: not where fresh seeds did not bear the search out."""
    return said.proved is None or said.proved.verdict == "better"


def first(experiment: Experiment) -> tuple[Block, ...]:
    """The proof; before it, what the search's best is worth and how to prove it."""
    if experiment.proof is not None:
        return proof_blocks(experiment.proof, constrained=bool(experiment.objective.constraints))
    if experiment.best is None:
        return (_no_result(experiment),)
    if experiment.best == 0 and not experiment.chosen:
        return (Note(_unbeaten(experiment)),)
    unproved = (
        f"Trial {experiment.best} is the best of {len(experiment.ranked):,}{_by(experiment)} on one seed. Chosen like "
        f"that, its figure is optimistic and may be luck; fresh seeds tell."
    )
    return Note(unproved), Commands(tuple(proving(experiment, "prove it")))


def tiles(experiment: Experiment, said: Headline) -> tuple[Tile, ...]:
    """The figures that one looks for first: over fresh seeds where there is a proof, then those of the search."""
    failed = f"{said.failed:,} failed" if said.failed else "none failed"
    spared = f"about {_duration(said.hours_saved * 3600)} of training" if said.cut_short else "nothing was cut short"
    return (
        *(_proved(said.proved) if said.proved else ()),
        *_searched(experiment, said),
        ("trials", f"{said.trials:,}", f"of {said.budget:,}; {failed}"),
        ("stopped by the scheduler", f"{said.stopped_share:.0%}", counted(said.cut_short, "trial")),
        ("epochs spared", f"{said.epochs_saved:.0%}" if said.cut_short else "–", spared),
    )


def _no_result(experiment: Experiment) -> Note:
    trials = experiment.trials
    if len(trials) and (trials["status"] == "failed").all():
        words = "The only trial has failed" if len(trials) == 1 else f"All {len(trials):,} trials have failed"
        return Note(f"{words}, so there is nothing to compare: see why under Failures.", "bad")
    return Note("No trial has a result yet, so there is nothing to compare: look again after an epoch.")


def _unbeaten(experiment: Experiment) -> str:
    others = len(experiment.ranked) - 1
    if not others:
        return "Only the default settings have a result yet, so there is nothing to compare them with."
    return (
        f"No trial beats the default settings{_by(experiment)}: {counted(others, 'other trial')} had a result. Keep "
        f"the default, or search elsewhere: other ranges, other settings, more trials."
    )


def _by(experiment: Experiment) -> str:
    """Of several goals, which one ranks."""
    objective = experiment.objective
    return f" by {objective.first.metric}, the first of {len(objective.goals)} goals," if objective.several else ""


def _proved(won: Proved) -> tuple[Tile, Tile]:
    name = "proved winner" if won.verdict == "better" else "best candidate"
    seeds, default_seeds = (f"mean over {counted(each, 'fresh seed')}" for each in (won.seeds, won.default_seeds))
    return (
        (name, number(won.mean), f"{won.metric}, trial {won.trial}, {seeds}"),
        ("default settings", number(won.default), f"{won.metric}, {default_seeds}"),
    )


def _searched(experiment: Experiment, said: Headline) -> list[Tile]:
    objective = experiment.objective
    metric = objective.first.metric
    best = f"{metric}, trial {said.best_trial}" if said.best_trial is not None else metric
    best += f"; the first of {len(objective.goals)} goals" if objective.several else ""
    if said.proved:
        return [("best in the search, one seed", number(said.best), best)]
    return [("best", number(said.best), best), ("default settings", number(said.default), f"{metric}, trial 0")]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
