"""The centre bias that an export carries, and the one that is fitted to the training split."""

import numpy as np
import pytest
import torch

from tests.support.tiny_gaze import config, data
from trainables.entropy_reg import prior
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.prior import Prior, fit_prior

SIZES = [(96, 128), (192, 256), (256, 192), (12, 16), (75, 100), (64, 128)]


def centre_bias(bandwidth=0.08) -> CentreBias:
    """Fit fixations around a point left of and above the middle."""
    rng = np.random.default_rng(0)
    inputs = [(np.clip(rng.normal((40, 30), (15, 8), (20, 2)), 0, (99, 99)), (100, 100)) for _ in range(5)]
    return CentreBias.fit(inputs, bandwidth, 0.01)


@pytest.mark.parametrize("cells", SIZES)
def test_it_sums_to_one_on_any_cells(cells):
    result = Prior(centre_bias()).resize(cells)
    assert result.shape == cells
    assert result.dtype == torch.float32
    assert result.double().exp().sum().item() == pytest.approx(1, abs=1e-4)  # of float32


@pytest.mark.parametrize("cells", SIZES)
def test_it_is_next_to_the_fitted_one_on_the_same_cells(cells):
    reference = centre_bias()
    expected = reference.log_density(cells)
    result = Prior(reference).resize(cells).double().numpy()
    assert (np.exp(expected) * (expected - result)).sum() / np.log(2) < 2e-3  # bits that are lost
    assert np.abs(np.exp(expected) - np.exp(result)).sum() < 0.05


def test_on_its_own_cells_it_is_the_fitted_one():
    reference = centre_bias()
    np.testing.assert_allclose(Prior(reference).resize((96, 128)).numpy(), reference.log_density((96, 128)), atol=1e-5)


def test_where_people_look_is_the_same_share_of_height_and_width_on_all_cells():
    for cells in SIZES:
        result = Prior(centre_bias()).resize(cells).exp()
        down, across = (float((result.sum(dim=1 - axis) * torch.arange(cells[axis])).sum() + 0.5) for axis in (0, 1))
        assert down / cells[0] == pytest.approx(0.3, abs=0.02)
        assert across / cells[1] == pytest.approx(0.4, abs=0.03)


def test_without_a_centre_bias_it_is_uniform():
    result = Prior().resize((12, 16))
    torch.testing.assert_close(result, torch.full((12, 16), -float(np.log(192))))


def test_it_travels_with_the_weights():
    first, second = Prior(centre_bias()), Prior()
    assert not list(first.parameters())
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.resize((12, 16)), second.resize((12, 16)))


def of(settings: Config, where: Data) -> CentreBias:
    return fit_prior(load_split(settings, where, "train"), where)


def test_it_is_fitted_to_the_training_split_at_the_network_s_size(tmp_path):
    where, settings = data(tmp_path), config()
    train = load_split(settings, where, "train")
    inputs = [(fixation.points, shape) for fixation, shape in zip(train.fixations, train.shapes, strict=True)]
    expected, result = CentreBias.fit(inputs, where.bandwidth), fit_prior(train, where)
    assert len(result.relative) == len(train)
    assert (result.bandwidth, result.uniform_share, result.bits) == (
        expected.bandwidth,
        expected.uniform_share,
        expected.bits,
    )
    np.testing.assert_array_equal(result.log_density((12, 16), without=3), expected.log_density((12, 16), without=3))
    np.testing.assert_array_equal(result.log_density((12, 16)), expected.log_density((12, 16)))


def test_bandwidth_and_share_that_are_given_are_taken(tmp_path):
    result = of(config(), data(tmp_path, bandwidth=0.07, uniform_share=0.02))
    assert (result.bandwidth, result.uniform_share) == (0.07, 0.02)


def test_what_was_chosen_is_kept_for_other_processes(tmp_path, monkeypatch):
    where = data(tmp_path, bandwidth=None)
    first = of(config(), where)
    prior._fit_once.cache_clear()
    monkeypatch.setattr(prior.CentreBias, "fit", lambda *_: pytest.fail("fitted again"))
    stored = of(config(), where)
    assert stored is not first
    subset = [(item.bandwidth, item.uniform_share, item.bits, item.at_end) for item in (first, stored)]
    assert subset[0] == subset[1]
    np.testing.assert_array_equal(stored.log_density((12, 16), without=2), first.log_density((12, 16), without=2))


def test_other_fixations_or_settings_are_fitted_anew(tmp_path):
    fits = [data(tmp_path, **item) for item in ({}, {"viewers": 4}, {"bandwidth": 0.2}, {"uniform_share": 0.5})]
    bits = {of(config(), where).bits for where in fits}
    assert len(bits) == len(list(tmp_path.glob("centre-bias-*/fit.json"))) == 4


def test_it_is_fitted_once_for_trials_that_differ_in_other_things(tmp_path, monkeypatch):
    where = data(tmp_path)
    first = of(config(), where)

    def fail(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(prior.CentreBias, "fit", fail)
    assert of(config(lr=0.1, regulariser="entropy", lambda_eff=2.0, history="real", downsample=2.0), where) is first
    with pytest.raises(AssertionError, match="fitted again"):
        of(config(), data(tmp_path, split_seed=4))
