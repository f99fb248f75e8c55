"""The pictures that the best trials left, small enough to travel inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Pictures
from analysis.page.drawing import number
from analysis.questions.leading import BEST as UNPROVED
from analysis.questions.leading import standing_out
from trainables.files import PANELS, trial_folder

BEST = 3
PER_TRIAL = 2
WIDTH = 640
LARGEST = 130_000  # bytes of a picture: eight of them stay below 1.5 MB as base64


def panels(experiment: Experiment) -> list[Pictures]:
    """Pictures of the best trials and the default; trials without any are left out."""
    called = {trial: name for trial, name in standing_out(experiment).items() if name != UNPROVED}
    best = [trial for trial in dict.fromkeys([*called, *experiment.ranked]) if trial in experiment.ranked][:BEST]
    trials = [*best, *([0] if experiment.default is not None and experiment.default not in best else [])]
    shown = []
    for trial in trials:
        paths = sorted((trial_folder(experiment.path, trial) / PANELS).glob("*.png"))[:PER_TRIAL]
        pictures = [(path.stem.replace("_", " "), address) for path in paths if (address := as_webp(path))]
        row = experiment.trials.loc[trial]
        rank = f"rank {experiment.ranked.index(trial) + 1}"
        name = "default" if trial == experiment.default else called.get(trial, rank)
        if pictures:
            title = f"#{trial} · {name} · {number(row['value'])} at epoch {number(row['best_epoch'])}"
            shown.append(Pictures(title, tuple(pictures)))
    return shown


def as_webp(path: Path) -> str | None:
    """A picture as a data address; None of one that cannot be read, or stays too large."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    picture.thumbnail((WIDTH, WIDTH * 2))
    for quality in (82, 60, 35):
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=quality, method=4)
        if file.tell() <= LARGEST:
            return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return None
