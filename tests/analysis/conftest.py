"""Runs to read back: one that is really trained, on the curves, two to draw, and six to compare."""

import shutil
from pathlib import Path

import pytest

from analysis.frames.experiment import Experiment
from tests.support import proofs
from tests.support.arms import search_arm
from tests.support.drawn import GOALS, search_run
from tests.support.simulated import PARAMS, board, by_training, search


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Eight trials under a constraint, some stopped early, trial 0 infeasible, one failed."""
    simulation = board(
        tmp_path_factory.mktemp("runs") / "mine",
        budget={"trials": 8, "max_epochs": 3, "grace_epochs": 1},
        constraints={"val/cost": 0.6},
        params={
            "x": {"uniform": [0.0, 1.0]},
            "y": {"uniform": [0.0, 1.0]},
            "goes_wrong": {"choice": ["never", "raises"]},
        },
    )
    search(simulation, train=by_training, seed=0)
    return simulation.folder.path


@pytest.fixture
def run(finished_run, tmp_path) -> Path:
    """Copy the run, for tests that change it."""
    return Path(shutil.copytree(finished_run, tmp_path / "runs" / "mine"))


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    """Forty trials under a constraint, to draw."""
    return search_run(tmp_path_factory.mktemp("drawn") / "one", constraints={"val/cost": 0.6})


@pytest.fixture(scope="session")
def several(tmp_path_factory) -> Experiment:
    """Forty trials with two goals."""
    return search_run(tmp_path_factory.mktemp("drawn") / "two", objective=GOALS, scheduler={"kind": "none"})


@pytest.fixture(scope="session")
def two_spaces(tmp_path_factory) -> list[Experiment]:
    """Search two spaces with three seeds each, the second of them clearly worse."""
    parent = tmp_path_factory.mktemp("arms")
    narrow = {"x": {"uniform": [0.8, 1.0]}, "y": {"uniform": [0.0, 0.3]}}
    return [
        search_arm(parent / f"{name}-{seed}", seed=seed, name=name, params=params)
        for name, params in (("wide", PARAMS), ("narrow", narrow))
        for seed in range(3)
    ]


@pytest.fixture
def run_to_prove(tmp_path, monkeypatch) -> Path:
    """Search a run to prove, with a stand-in for Ray that trains one trial after the other."""
    return proofs.search(tmp_path / "runs" / "mine", monkeypatch, **proofs.SPACE)
