"""A run to prove, and the command that proves it without Ray."""

import contextlib
import math

from analysis.frames.experiment import PROOF_FOLDER
from analysis.retrain import main
from search import cluster
from search.placement import Machine
from search.record import RunFolder
from tests.support import simulated
from tests.support.simulated import PARAMS, board, by_training

SPACE = {
    "params": PARAMS,
    "fixed": {"noise": 0.01},
    "budget": {"trials": 5, "max_epochs": 3, "grace_epochs": 1},
}


def search(path, monkeypatch, **parts):
    """Search a run, and replace Ray by training one trial after the other, for `RAY["reports"]` reports in all."""
    simulation = board(path, **parts)
    simulated.search(simulation, train=by_training)

    @contextlib.contextmanager
    def connect(run, interruption, clean_up):
        yield Machine(2, 0)

    def run_trials(run, board, machine, line, proposal, processes):
        simulated.search(board, proposal=proposal, train=by_training, reports=RAY["reports"])
        RAY["processes"] = processes

    monkeypatch.setattr(cluster, "connect", connect)
    monkeypatch.setattr(cluster, "run_trials", run_trials)
    RAY.update(reports=math.inf)
    return path


RAY = {"reports": math.inf, "processes": 0}


def retrain(run, *words):
    """Prove a run; returns the exit code."""
    return main([f"run={run}", "quiet=true", *words])


def trainings(run):
    """Read the trainings of a proof."""
    return RunFolder.open(run / PROOF_FOLDER).trials()
