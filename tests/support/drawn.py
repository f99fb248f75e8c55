"""A run to draw, and how its figures are read back."""

import re

import numpy as np
import pandas as pd

from analysis.frames.experiment import load
from analysis.importance.estimates import Importances
from tests.support.simulated import board, search

PARAMS = {
    "x": {"uniform": [0.0, 1.0]},
    "y": {"uniform": [0.0, 1.0]},
    "wrong_epoch": {"randint": [1, 1000], "log": True},
    "kind": {"choice": ["plain", "shifted"]},
    "shift": {"uniform": [0, 0.5], "when": {"kind": "shifted"}},
}
GOALS = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]


def searched(path, **parts):
    on = board(path, **{"params": PARAMS, "budget": {"trials": 40, "max_epochs": 9, "grace_epochs": 1}, **parts})
    search(on, seed=3, concurrent=2)
    return load(on.folder.path)


def found_importances(rung):
    rows = {
        "x": [0.5, 0.3, 0.7, 0.4, 0.2, 0.6],
        "y": [0.2, 0.1, 0.25, np.nan, np.nan, np.nan],
        "shift": [np.nan] * 6,
    }
    columns = ["forest", "forest_low", "forest_high", "pedanova", "pedanova_low", "pedanova_high"]
    return Importances(rung, 35, pd.DataFrame.from_dict(rows, "index", columns=columns), 0.5)


def trace(plot, name):
    return next(each for each in plot.figure["data"] if each["name"] == name)


def marks(plot):
    """(trial, x, y) of all marks."""
    return {
        (trial, x, y)
        for each in plot.figure["data"]
        if each["mode"] == "markers"
        for trial, x, y in zip(each["customdata"], each["x"], each["y"], strict=True)
    }


def with_colors(part, colors):
    """As the page does: a colour's name becomes its value."""
    if isinstance(part, dict):
        return {key: with_colors(value, colors) for key, value in part.items()}
    if isinstance(part, list):
        return [with_colors(value, colors) for value in part]
    return colors[part] if isinstance(part, str) and part.startswith("--") else part


def css_colors(text):
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", text))
