"""Runs to compare, each searched under a name and with a seed of its own."""

import json

from analysis.frames.experiment import PROOF_FILE, PROOF_FOLDER, load
from tests.support.simulated import board, search
from trainables.files import read_yaml, write_yaml


def search_arm(folder, *, seed=0, name="curves", **parts):
    """Search a run by formula, and load it."""
    on = board(folder, **parts)
    settings = read_yaml(folder / "run.yaml")
    write_yaml(folder / "run.yaml", {**settings, "seed": seed, "space_name": name})
    search(on, seed=seed)
    return load(folder)


def with_proof(run, values):
    """Add a proof whose winner reaches these values over fresh seeds, and read the run again; the file is removed."""
    row = {"trial": 3, "values": {str(1000 + index): value for index, value in enumerate(values)}, "mean": 0}
    proof = {"candidates": [row], "default": {**row, "trial": 0}, "sentence": "", "winner": 3, "verdict": "better"}
    path = run.path / PROOF_FOLDER / PROOF_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(proof))
    try:
        return load(run.path)
    finally:
        path.unlink()
