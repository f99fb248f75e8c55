"""Runs with hand-written curves, read back from their files."""

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
from trainables.stages import stage_report

BUDGET = {"trials": 24, "max_epochs": 9, "grace_epochs": 3}
NOISE = 0.004


def curve(level: float, epochs: int = 9, seed: int = 0, noise: float = NOISE) -> list[float]:
    """Return a noisy curve that reaches its level by half of its epochs."""
    rng = np.random.default_rng(seed)
    return [level - 0.3 * math.exp(-1.5 * epoch) + noise * rng.normal() for epoch in range(1, epochs + 1)]


def trial(values: list[float], **facts: Any) -> dict[str, Any]:
    """Describe one trial for `write_run`: its values by epoch, and facts under the keys that `write_run` reads."""
    return {"values": values, **facts}


def write_run(folder: Path, trials: list[dict[str, Any]], **space: Any) -> Experiment:
    """Write a run with these trials, and read it back from its files."""
    run = board(folder / "mine", **{"budget": BUDGET, **space})
    for number, facts in enumerate(trials):
        origin = facts.get("origin", "random" if number else "default")
        run.begin(facts.get("params", {"x": 0.1 + 0.03 * (number % 24), "y": 0.5}), origin)
        lines = []
        for epoch, value in enumerate(facts["values"], 1):
            report = {"epoch": epoch, "val/score": value, "val/cost": facts.get("cost", 0.0)}
            report |= {"train/total": facts.get("loss", 1.0) / epoch}
            report |= stage_report(facts["parts"], epoch - 1) if "parts" in facts else {}
            report |= {"time/total_s": 2.0 * epoch, **run.space.objective.score(report)}
            has_finding = epoch in facts.get("finding_epochs", ())
            findings = [{"check": "stuck", "message": "it is stuck: raise lr."}] if has_finding else []
            lines.append(json.dumps({**report, "findings": findings, "stop_reason": None}) + "\n")
        (trial_folder(run.folder.path, number) / RESULT).write_text("".join(lines))
        status = facts.get("ended", "finished" if len(facts["values"]) == run.space.budget.max_epochs else "stopped")
        if status != "running":
            cause = {"finished": "budget", "stopped": "scheduler", "failed": "error"}[status]
            run.end(number, status, facts.get("cause", cause), facts.get("reason", cause))
    return load(run.folder.path)


def healthy_trials(trials: int = 24, sign: float = 1.0) -> list[dict[str, Any]]:
    """Describe a default, eight random trials, and better ones of a model; the worse two thirds stop at epoch 3.

    The best settings lie in the middle of the range.
    """
    rng = np.random.default_rng(0)
    facts = [trial([sign * value for value in curve(0.5, seed=1000)])]
    for number in range(1, trials):
        is_proposal = number > 8
        x = 0.55 + 0.1 * rng.random() if is_proposal else 0.1 + 0.8 * rng.random()
        level = 0.8 - 0.3 * abs(x - 0.6)
        stays = number == 1 or level > 0.78
        values = [sign * value for value in curve(level, 9 if stays else 3, seed=number)]
        facts.append(trial(values, params={"x": x, "y": 0.5}, origin="model of epoch 3" if is_proposal else "random"))
    return facts


def answer(experiment: Experiment, start: str) -> Answer:
    """Return the answer to the question that begins so."""
    return next(item for item in answers(experiment) if item.question.startswith(start))
