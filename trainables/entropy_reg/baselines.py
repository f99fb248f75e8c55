"""What a uniform density and the centre bias reach on entropy_reg's validation images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainables.baselines import CHANCE
from trainables.entropy_reg import scoring
from trainables.entropy_reg.centre_bias import CentreBias, uniform_log_density
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.prior import fit_prior
from trainables.entropy_reg.scanpaths import select_scored
from trainables.entropy_reg.split import Shape, Stimuli, cell_grid
from trainables.progress import track

CENTRE_BIAS = "centre bias"

Density = Callable[[Shape], np.ndarray]
"""From cells down and across to a log-density, the same for all images of that shape."""


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on validation; both densities know nothing of an image but its shape."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    prior = fit_prior(train, data)
    densities: dict[str, Density] = {CHANCE: uniform_log_density, CENTRE_BIAS: prior.log_density}
    rows = {name: score_density(density, name, config, data, val, prior) for name, density in densities.items()}
    if config.centre_bias == "kde":  # the bias is measured with a uniform one in its place, which is then what it gives
        rows[CENTRE_BIAS] |= {key: value for key, value in rows[CHANCE].items() if key.startswith("bias_information")}
    return {name: {f"val/{key}": value for key, value in row.items()} for name, row in rows.items()}


def score_density(
    density: Density, name: str, config: Config, data: Data, stimuli: Stimuli, prior: CentreBias
) -> dict[str, float]:
    """Score a density that does not depend on the image: means over the images, and its own bias.

    Args:
        density: gives it for a shape.
        name: of it, for the progress bar.
        config: decides whether histories are shown.
        data: decides how many fixations are scored, and the blur of fixation maps.
        stimuli: the images.
        prior: over which information is gained.
    """
    number = data.scored_fixations if config.history == "real" else 0
    metrics = []
    for index in track(range(len(stimuli)), f"scoring the {name} density"):
        cells = cell_grid(stimuli.shapes[index])
        prediction = scoring.Prediction(density(cells), select_scored(stimuli.fixations[index], number))
        metrics.append(scoring.score(prediction, prior.log_density(cells), data.degree))
    bias = float(scoring.bias_information(density(cell_grid(stimuli.usual_shape))))
    kinds = ("", "_reflect", "_texture", "_scrambled")
    return {
        **{key: float(np.mean([row[key] for row in metrics])) for key in metrics[0] if key != "sum_error"},
        **{f"bias_information{kind}{mean}_bits": bias for kind in kinds for mean in ("", "_of_mean")},
    }
