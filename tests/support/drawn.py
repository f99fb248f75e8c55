"""A run to draw, and helpers that read its figures."""

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


def search_run(path, **parts):
    """Search forty trials without Ray, and load the run."""
    on = board(path, **{"params": PARAMS, "budget": {"trials": 40, "max_epochs": 9, "grace_epochs": 1}, **parts})
    search(on, seed=3, concurrent=2)
    return load(on.folder.path)


def example_importances(rung):
    """Build importances of three settings, one of which neither estimator knows."""
    rows = {
        "x": [0.5, 0.3, 0.7, 0.4, 0.2, 0.6],
        "y": [0.2, 0.1, 0.25, np.nan, np.nan, np.nan],
        "shift": [np.nan] * 6,
    }
    columns = ["forest", "forest_low", "forest_high", "pedanova", "pedanova_low", "pedanova_high"]
    return Importances(rung, 35, pd.DataFrame.from_dict(rows, "index", columns=columns), 0.5)


def trace(plot, name):
    """Find a figure's trace by its name."""
    return next(trace for trace in plot.figure["data"] if trace["name"] == name)


def marks(plot):
    """List all marks of a figure as (trial, x, y)."""
    return {
        (trial, x, y)
        for trace in plot.figure["data"]
        if trace["mode"] == "markers"
        for trial, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    }


def replace_colors(part, colors):
    """Replace the names of colours by their values, as the page does."""
    if isinstance(part, dict):
        return {key: replace_colors(value, colors) for key, value in part.items()}
    if isinstance(part, list):
        return [replace_colors(value, colors) for value in part]
    return colors[part] if isinstance(part, str) and part.startswith("--") else part


def css_colors(text):
    """Read the colours by name from a style sheet."""
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", text))
