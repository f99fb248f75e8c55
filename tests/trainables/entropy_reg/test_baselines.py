"""A uniform density is zero in every metric that is relative to one, and the centre bias gains nothing on itself."""

import numpy as np
import pytest

from tests.support.tiny_gaze import config, data
from trainables.entropy_reg import baselines
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.prior import fit_prior
from trainables.entropy_reg.scoring import bias_information
from trainables.entropy_reg.split import cell_grid


def test_a_uniform_density_knows_nothing(tmp_path):
    rows = baselines.compute(config(), data(tmp_path))
    chance = rows["chance"]
    assert chance["val/auc"] == 0.5
    assert chance["val/nss"] == chance["val/cc"] == chance["val/bias_information_bits"] == 0
    assert chance["val/log_likelihood_bits"] == pytest.approx(0, abs=1e-12)
    assert chance["val/information_gain_bits"] == pytest.approx(-chance["val/centre_bias_log_likelihood_bits"])


def test_the_centre_bias_has_the_likelihood_that_information_is_gained_over(tmp_path):
    settings = data(tmp_path)
    row = baselines.compute(config(), settings)["centre bias"]
    train, val = load_split(config(), settings, "train"), load_split(config(), settings, "val")
    prior, bits = fit_prior(train, settings), []
    for points, (height, width) in zip((f.points for f in val.fixations), val.shapes, strict=True):
        density = prior.log_density((height // 4, width // 4))
        cells = [density[int(y) // 4, int(x) // 4] for x, y in points]
        bits.append(np.mean(cells) / np.log(2) + np.log2(density.size))
    assert row["val/log_likelihood_bits"] == pytest.approx(np.mean(bits))
    assert row["val/information_gain_bits"] == pytest.approx(0, abs=1e-12)


def test_a_centre_bias_that_is_not_given_is_a_bias(tmp_path):
    settings = data(tmp_path)
    metrics = baselines.compute(config(), settings)["centre bias"]
    learnt = baselines.compute(config(centre_bias="uniform"), settings)["centre bias"]
    train, val = load_split(config(), settings, "train"), load_split(config(), settings, "val")
    own = bias_information(fit_prior(train, settings).log_density(cell_grid(val.usual_shape)))
    assert metrics["val/bias_information_bits"] == 0  # the bias is measured with a uniform one in its place
    assert learnt["val/bias_information_bits"] == pytest.approx(float(own))
    assert own > 0.01
