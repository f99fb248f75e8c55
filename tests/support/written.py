"""Runs whose course is written down by hand, and read back from their files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from analysis.frames.experiment import Experiment, load
from analysis.questions.answer import Answer
from analysis.questions.playbook import answers
from tests.support.simulated import board
from trainables.files import RESULT, trial_folder

BUDGET = {"trials": 24, "max_epochs": 9, "grace_epochs": 3}
NOISE = 0.004


def curve(level: float, epochs: int = 9, seed: int = 0, noise: float = NOISE) -> list[float]:
    """A curve that has settled at its level by half of its epochs."""
    rng = np.random.default_rng(seed)
    return [level - 0.3 * math.exp(-1.5 * epoch) + noise * rng.normal() for epoch in range(1, epochs + 1)]


def trial(values: list[float], **more: Any) -> dict[str, Any]:
    """One trial of `written`; the keys are those of its loop."""
    return {"values": values, **more}


def written(folder: Path, trials: list[dict[str, Any]], **space: Any) -> Experiment:
    """A run with these trials, read back from its files."""
    on = board(folder / "mine", **{"budget": BUDGET, **space})
    for number, each in enumerate(trials):
        origin = each.get("origin", "random" if number else "default")
        on.begin(each.get("params", {"x": 0.1 + 0.03 * (number % 24), "y": 0.5}), origin)
        lines = []
        for epoch, value in enumerate(each["values"], 1):
            cost = each.get("cost", 0.0)
            made = {"epoch": epoch, "val/score": value, "val/cost": cost, "train/total": each.get("loss", 1.0) / epoch}
            made |= {"time/total_s": 2.0 * epoch, **on.space.objective.score(made)}
            found = [{"check": "stuck", "message": "it is stuck: raise lr."}] if epoch in each.get("found", ()) else []
            lines.append(json.dumps({**made, "findings": found, "stop_reason": None}) + "\n")
        (trial_folder(on.folder.path, number) / RESULT).write_text("".join(lines))
        ended = each.get("ended", "finished" if len(each["values"]) == on.space.budget.max_epochs else "stopped")
        if ended != "running":
            cause = {"finished": "budget", "stopped": "scheduler", "failed": "error"}[ended]
            on.end(number, ended, each.get("cause", cause), each.get("reason", cause))
    return load(on.folder.path)


def healthy_trials(trials: int = 24, sign: float = 1.0) -> list[dict[str, Any]]:
    """A default, eight at random, a better model's; the worse two thirds stopped at epoch 3; the best in the middle."""
    rng = np.random.default_rng(0)
    made = [trial([sign * value for value in curve(0.5, seed=1000)])]
    for number in range(1, trials):
        proposed = number > 8
        x = 0.55 + 0.1 * rng.random() if proposed else 0.1 + 0.8 * rng.random()
        level = 0.8 - 0.3 * abs(x - 0.6)
        stays = number == 1 or level > 0.78
        values = [sign * value for value in curve(level, 9 if stays else 3, seed=number)]
        made.append(trial(values, params={"x": x, "y": 0.5}, origin="model of epoch 3" if proposed else "random"))
    return made


def answer(experiment: Experiment, start: str) -> Answer:
    """The answer to the question that begins so."""
    return next(each for each in answers(experiment) if each.question.startswith(start))
