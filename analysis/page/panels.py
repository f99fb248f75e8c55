"""The panels of the best trials, small enough to be embedded in a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Panels
from analysis.page.drawing import format_number
from analysis.questions.leaders import BEST as BEST_WITHOUT_PROOF
from analysis.questions.leaders import name_leaders
from trainables.files import PANELS, trial_folder

BEST_TRIALS = 3
PANELS_PER_TRIAL = 2
MAX_WIDTH = 640
MAX_BYTES = 130_000  # of a panel: eight of them stay below 1.5 MB as base64


def collect_panels(experiment: Experiment) -> list[Panels]:
    """Collect the panels of the best trials and the default; trials without any are omitted."""
    leaders = {trial: name for trial, name in name_leaders(experiment).items() if name != BEST_WITHOUT_PROOF}
    candidates = [trial for trial in dict.fromkeys([*leaders, *experiment.ranking]) if trial in experiment.ranking]
    best = candidates[:BEST_TRIALS]
    trials = [*best, *([0] if experiment.default is not None and experiment.default not in best else [])]
    blocks = []
    for trial in trials:
        paths = sorted((trial_folder(experiment.path, trial) / PANELS).glob("*.png"))[:PANELS_PER_TRIAL]
        images = [(path.stem.replace("_", " "), url) for path in paths if (url := encode_webp(path))]
        row = experiment.trials.loc[trial]
        rank = f"rank {experiment.ranking.index(trial) + 1}"
        name = "default" if trial == experiment.default else leaders.get(trial, rank)
        if images:
            title = f"#{trial} · {name} · {format_number(row['value'])} at epoch {format_number(row['best_epoch'])}"
            blocks.append(Panels(title, tuple(images)))
    return blocks


def encode_webp(path: Path) -> str | None:
    """Encode an image as a data URL; None where it cannot be read, or stays too large."""
    try:
        with Image.open(path) as source:
            image = source.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    image.thumbnail((MAX_WIDTH, MAX_WIDTH * 2))
    for quality in (82, 60, 35):
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=4)
        if file.tell() <= MAX_BYTES:
            return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return None
