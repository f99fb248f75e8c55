"""Metrics of a split's images: what a model scores that knows nothing, and what a history changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from tests.support import tiny_gaze
from trainables.entropy_reg import scoring
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.features import split_features
from trainables.entropy_reg.judging import Judge
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import Fixations
from trainables.entropy_reg.split import Stimuli, cell_grid
from trainables.processes import Processes

CPU = torch.device("cpu")
SHAPES = [(48, 64), (64, 48), (48, 64), (48, 48)]
KEYS = {
    "information_gain_bits", "log_likelihood_bits", "nll_bits", "centre_bias_log_likelihood_bits",
    "auc", "nss", "kl_bits", "cc", "sim", "sum_error",
}  # fmt: skip


@pytest.fixture(scope="module")
def prior() -> CentreBias:
    output = tiny_gaze.stimuli(seed=5)
    return CentreBias.fit([(fixation.points * 0.5, (48, 64)) for fixation in output.fixations], 0.1, 0.01)


def judge(cache: Path, prior: CentreBias, model, images: Stimuli | None = None, **values) -> Judge:
    images = images or tiny_gaze.stimuli(SHAPES)
    data = values.pop("data", None) or tiny_gaze.data(cache)
    maps = split_features(tiny_gaze.config(), data, images, CPU)
    settings = {"centre_bias": prior, "processes": Processes(), **values}
    return Judge(net=model, stimuli=images, features=maps, prior=prior, data=data, device=CPU, **settings)


def net(history: str = "none") -> DeepGaze:
    torch.manual_seed(0)
    model = DeepGaze((48, 64, 64), tiny_gaze.config(history=history)).eval()
    model.show_history(True)
    return model


class FunctionModel(NamedTuple):
    """A model that is a function of maps, shape, centre bias and history."""

    function: Callable
    conditional: bool = False

    def __call__(self, maps, shape, centre_bias, history):
        return self.function(maps, shape, centre_bias, history)


def return_centre_bias(maps, shape, centre_bias, history=None):
    return centre_bias[:, None].expand(-1, 1 if history is None else history.shape[1], -1, -1)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_model_that_returns_the_prior_gains_no_information(cache, prior, conditional):
    result = judge(cache, prior, FunctionModel(return_centre_bias, conditional)).score_images()
    assert set(result) == KEYS
    np.testing.assert_allclose(result["information_gain_bits"], 0, atol=1e-5)
    np.testing.assert_allclose(result["log_likelihood_bits"], result["centre_bias_log_likelihood_bits"], atol=1e-5)
    assert (np.abs(result["log_likelihood_bits"]) > 0.01).all()
    assert result["sum_error"].max() < 1e-5


@pytest.mark.parametrize("conditional", [False, True])
def test_a_uniform_model_has_a_log_likelihood_of_nothing(cache, prior, conditional):
    def uniform(maps, shape, centre_bias, history=None):
        output = return_centre_bias(maps, shape, centre_bias, history)
        return torch.full_like(output, -np.log(output.shape[-1] * output.shape[-2]))

    result = judge(cache, prior, FunctionModel(uniform, conditional)).score_images()
    np.testing.assert_allclose(result["log_likelihood_bits"], 0, atol=1e-6)
    np.testing.assert_allclose(result["information_gain_bits"], -result["centre_bias_log_likelihood_bits"], atol=1e-6)
    np.testing.assert_array_equal(result["auc"], 0.5)


@pytest.mark.parametrize("history", ["none", "real"])
def test_nll_and_log_likelihood_add_up_to_the_bits_of_the_image(cache, prior, history):
    result = judge(cache, prior, net(history)).score_images()
    total = result["nll_bits"] + result["log_likelihood_bits"]
    np.testing.assert_allclose(total, [np.log2(height * width) for height, width in SHAPES])
    gain = result["log_likelihood_bits"] - result["centre_bias_log_likelihood_bits"]
    np.testing.assert_allclose(result["information_gain_bits"], gain)


def test_figures_are_those_of_the_models_density_at_the_images_fixations(cache, prior):
    images, model = tiny_gaze.stimuli(SHAPES), net()
    of = judge(cache, prior, model, images)
    result = of.score_images()
    for index, shape in enumerate(SHAPES):
        inputs = torch.from_numpy(prior.log_density(cell_grid(shape)).astype(np.float32))[None]
        with torch.no_grad():
            density = model(of.features([index]), shape, inputs)[0, 0].numpy()
        column, row = (images.fixations[index].points // 4).astype(int).T
        expected = (density[row, column] / np.log(2) + np.log2(density.size)).mean()
        assert result["log_likelihood_bits"][index] == pytest.approx(expected, abs=1e-5)
        np.testing.assert_allclose(of.mean_log_density(index), density, atol=1e-5)
        assert result["sum_error"][index] == pytest.approx(abs(np.exp(density.astype(float)).sum() - 1), abs=1e-9)


def test_the_error_of_a_sum_is_that_of_the_worst_density(cache, prior):
    def wrong(maps, shape, centre_bias, history=None):
        output = return_centre_bias(maps, shape, centre_bias, history).clone()
        output[0, 1] += np.log(1.25)
        output[0, 2] += np.log(0.9)
        return output

    result = judge(cache, prior, FunctionModel(wrong, conditional=True)).score_images()
    np.testing.assert_allclose(result["sum_error"], 0.25, rtol=1e-4)


def test_a_model_is_shown_the_given_centre_bias_and_judged_against_the_prior(cache, prior):
    inputs = []

    def record(maps, shape, centre_bias, history=None):
        inputs.append(centre_bias)
        return return_centre_bias(maps, shape, centre_bias, history)

    with_prior = judge(cache, prior, net()).score_images()
    judge(cache, prior, FunctionModel(record), centre_bias=None).score_images()
    assert not any(input.any() for input in inputs)
    without = judge(cache, prior, net(), centre_bias=None).score_images()
    baseline = "centre_bias_log_likelihood_bits"
    np.testing.assert_array_equal(with_prior[baseline], without[baseline])
    assert (with_prior["nll_bits"] != without["nll_bits"]).all()


def test_each_fixation_is_judged_by_the_density_of_its_own_history(cache, prior):
    """A model that looks where the eye was last; beyond the batch that is computed at once, too."""
    images = tiny_gaze.stimuli([(48, 64)], viewers=5, length=5)
    moved = images.fixations[0]
    where = (moved.history[:, 0] // 4 * 4 + 2).astype(np.float32)  # those with a history are made to stay in their cell
    points = np.where(np.isnan(where), moved.points, where)
    images = replace(images, fixations=[Fixations(points, moved.history)])

    def stays(maps, shape, centre_bias, history=None):
        output = torch.zeros(1, history.shape[1], *cell_grid(shape))
        for index, (x, y) in enumerate(history[0, :, 0].tolist()):
            if not np.isnan(x):
                output[0, index, int(y) // 4, int(x) // 4] = 100.0
        return output.flatten(2).log_softmax(dim=2).view_as(output)

    result = judge(cache, prior, FunctionModel(stays, conditional=True), images).score_images()
    assert result["log_likelihood_bits"][0] == pytest.approx(np.log2(192) * 20 / 25, abs=1e-4)  # 5 have no history


def test_of_many_fixations_with_histories_some_are_scored_evenly_and_without_histories_all(cache, prior):
    images = tiny_gaze.stimuli([(48, 64)], viewers=4, length=5)
    few = tiny_gaze.data(cache, scored_fixations=3)
    subset = replace(images, fixations=[images.fixations[0].select(np.array([0, 9, 19]))])
    model = net("real")
    sample = judge(cache, prior, model, images, data=few).score_images()
    expected = judge(cache, prior, model, subset).score_images()
    full = judge(cache, prior, model, images).score_images()
    for name in ("log_likelihood_bits", "centre_bias_log_likelihood_bits", "kl_bits"):
        assert sample[name][0] == pytest.approx(expected[name][0], abs=1e-6)
        assert sample[name][0] != full[name][0]
    spatial = [judge(cache, prior, net(), images, data=item).score_images() for item in (few, tiny_gaze.data(cache))]
    assert spatial[0]["log_likelihood_bits"] == spatial[1]["log_likelihood_bits"]
    more = tiny_gaze.data(cache, scored_fixations=50)
    assert judge(cache, prior, model, images, data=more).score_images()["nss"] == full["nss"]


def test_the_density_of_an_image_with_histories_is_the_mean_of_those(cache, prior):
    images, model = tiny_gaze.stimuli([(48, 64)], viewers=5, length=5), net("real")
    of = judge(cache, prior, model, images)
    inputs = torch.from_numpy(prior.log_density((12, 16)).astype(np.float32))[None]
    history = torch.from_numpy(images.fixations[0].history)[None]
    with torch.no_grad():
        full = model(of.features([0]), (48, 64), inputs, history)[0].double().exp().mean(dim=0)
    result = np.exp(of.mean_log_density(0))
    np.testing.assert_allclose(result, full.numpy(), rtol=1e-4)
    assert result.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_take_each_image_once_and_in_its_place(cache, prior, world, monkeypatch):
    whole = judge(cache, prior, net()).score_images()
    monkeypatch.setattr(Processes, "gather", lambda self, mine, total: mine)
    for rank in range(world):
        part = judge(cache, prior, net(), processes=Processes(rank, world)).score_images()
        for name, values in whole.items():
            np.testing.assert_array_equal(part[name], values[rank::world])


def test_auc_and_nss_are_those_of_scoring(cache, prior):
    images, model = tiny_gaze.stimuli(SHAPES), net()
    of = judge(cache, prior, model, images)
    result = of.score_images()
    expected = scoring.score_density(of.mean_log_density(1), images.fixations[1].points, of.data.degree)
    for name, value in (("auc", expected.auc), ("nss", expected.nss), ("cc", expected.cc), ("sim", expected.sim)):
        assert result[name][1] == pytest.approx(value, abs=1e-4)
    assert result["kl_bits"][1] == pytest.approx(expected.kl, abs=1e-4)
