"""The whole variant on tiny synthetic images: what it reports and restores, and the notes' defects."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.support.gaze_folders import SIZES, central_fixations, write_folder
from tests.support.loops import check_stop_and_resume, same, trained
from tests.support.tiny_gaze import build
from trainables.files import WEIGHTS
from trainables.objective import Goal, Objective
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))
EVERY_3 = {"regulariser": "entropy", "lambda_eff": 0.3, "compute_every": 3}
FORMS = [
    {"where": {"train_size": 10}},
    {**EVERY_3, "where": {"train_size": 14}},  # four batches an epoch, the last one filled up; due at another each time
    {"regulariser": "dropout", "centre_bias_dropout": 0.5, "weight_decay": 0.1},
    {"history": "real", **EVERY_3, "compute_every": 1, "where": {"saccade": 0.1}},
]
NAMES = ["spatial", "entropy", "dropout", "history"]


@pytest.fixture
def loop(cache):
    def make(**values) -> Loop:
        return Loop(build(cache, **values), OBJECTIVE)

    return make


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_every_epoch_reports_the_same_finite_figures(loop, values):
    output = loop(**{"epochs": 3, **values})
    reports = [output.run_epoch() for _ in range(3)]
    assert len({frozenset(report) for report in reports}) == 1
    numbers = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(numbers).all()
    for kind in ("", "_reflect", "_texture", "_scrambled"):
        assert (
            reports[-1][f"val/bias_information{kind}_bits"] >= reports[-1][f"val/bias_information{kind}_of_mean_bits"]
        )


def test_figures_are_means_over_images_and_not_over_fixations(cache, tmp_path):
    """One image of the folder's fold has very many fixations."""
    rows = central_fixations(SIZES)
    for name in SIZES:
        rows += [(name, f"t{n}", 0, 3 + n % 5, 3) for n in range(40)] if name in "ace" else []
    root = write_folder(tmp_path / "data", SIZES, rows)
    where = {"source": "fixations", "root": str(root), "folds": 3}
    for fold in range(3):
        variant = build(cache, where={**where, "fold": fold}, shape="keep")
        numbers = [len(fixation.points) for fixation in variant.splits["val"].fixations]
        if len(set(numbers)) == 2:
            break
    assert sorted(numbers) == [2, 42]
    each = variant.score_images("val", variant.prior)
    result = variant.evaluate("val")
    for name in ("information_gain_bits", "log_likelihood_bits", "auc", "nss", "kl_bits", "cc", "sim", "nll_bits"):
        assert result[name] == pytest.approx(each[name].mean(), abs=1e-9)
        assert result[name] != pytest.approx(np.average(each[name], weights=numbers), abs=1e-4)


def test_a_model_that_returns_the_prior_gains_nothing_and_nll_and_likelihood_add_up(cache, monkeypatch):
    variant = build(cache)
    result = variant.evaluate("val")
    assert result["nll_bits"] + result["log_likelihood_bits"] == pytest.approx(math.log2(48 * 64), abs=1e-6)
    gain = result["log_likelihood_bits"] - result["centre_bias_log_likelihood_bits"]
    assert result["information_gain_bits"] == pytest.approx(gain, abs=1e-9)
    assert abs(gain) > 0.01
    monkeypatch.setattr(type(variant.net), "forward", lambda self, maps, shape, bias, history=None: bias[:, None])
    assert variant.evaluate("val")["information_gain_bits"] == pytest.approx(0, abs=1e-6)


def test_the_centre_bias_is_of_training_fixations_alone_and_without_it_the_model_is_shown_a_uniform_one(cache):
    variant = build(cache)
    train = variant.splits["train"]
    expected = [fixation.points / (64, 48) for fixation in train.fixations]
    assert len(variant.prior.relative) == len(expected)
    for result, target in zip(variant.prior.relative, expected, strict=True):
        np.testing.assert_allclose(result, target)
    other = build(cache, centre_bias="uniform")
    other.net.load_state_dict(variant.net.state_dict())
    with_none = variant.score_images("val", None)
    inputs = other.evaluate("val")
    assert inputs["log_likelihood_bits"] == pytest.approx(with_none["log_likelihood_bits"].mean(), abs=1e-9)
    assert inputs["log_likelihood_bits"] != pytest.approx(variant.evaluate("val")["log_likelihood_bits"], abs=1e-4)
    assert inputs["centre_bias_log_likelihood_bits"] == variant.evaluate("val")["centre_bias_log_likelihood_bits"]


@pytest.mark.parametrize("regulariser", ["none", "dropout"])
def test_training_is_shown_the_centre_bias_without_each_images_own_fixations_or_none(cache, regulariser):
    variant = build(cache, regulariser=regulariser, centre_bias_dropout=0.5, batch_size=1)
    full = [variant.prior.log_density((12, 16), without=index) for index in range(8)]
    variant.begin_epoch(0)
    kinds = []
    for batch in variant.batches(0):
        index = next(
            index
            for index in range(8)
            if all(torch.equal(*pair) for pair in zip(batch.features, variant._features["train"]([index]), strict=True))
        )
        bias = batch.centre_bias[0].numpy()
        kinds.append("none" if not bias.any() else "own")
        if bias.any():
            np.testing.assert_allclose(bias, full[index], rtol=1e-5)
    assert set(kinds) == ({"none", "own"} if regulariser == "dropout" else {"own"})


# -- evaluation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_evaluation_is_a_function_of_the_weights(cache, loop, values):
    variant = build(cache, **values)
    variant.begin_epoch(1)
    before = variant.evaluate("val")
    loop(seed=1, **values).run_epoch()  # draws from other generators in between
    torch.rand(5)
    variant.net.eval()
    assert variant.evaluate("val") == before
    assert variant.evaluate("val") == before


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_training_with_evaluations_in_between_equals_training_without(cache, loop, values):
    plain, watched = loop(**values), loop(**values)
    mode = watched.variant.net.training
    step = watched.variant.step

    def step_and_look(batch, update):
        watched.variant.evaluate("val")
        watched.variant.panels()
        return step(batch, update)

    watched.variant.step = step_and_look
    assert same(trained(plain), trained(watched))
    assert watched.variant.net.training == mode


def test_only_asked_splits_are_held_and_another_is_an_error(cache):
    variant = build(cache, splits=("train", "val"))
    assert set(variant.splits) == {"train", "val"}
    with pytest.raises(ValueError, match="to evaluate test, build the variant with the test split too"):
        variant.evaluate("test")
    with pytest.raises(ValueError, match="test"):
        variant.score_images("test", None)


def test_the_test_split_may_be_scored_without_training_and_is_scored_alike(cache):
    full, lean = (build(cache, splits=splits) for splits in (("train", "val", "test"), ("val", "test")))
    result = full.evaluate("test")
    assert lean.evaluate("test") == result
    assert result["log_likelihood_bits"] != full.evaluate("val")["log_likelihood_bits"]


def test_training_and_validation_touch_no_test_image(cache, tmp_path):
    root = write_folder(tmp_path / "data", SIZES, central_fixations(SIZES))
    where = {"source": "fixations", "root": str(root), "folds": 3}
    names = build(cache, where=where, splits=("test",)).splits["test"].names
    for name in names:
        (root / "stimuli" / name).write_bytes(b"no image")
    Loop(build(tmp_path / "cache", where=where), OBJECTIVE).run_epoch()
    with pytest.raises(ValueError, match=names[0]):
        build(tmp_path / "cache", where=where, splits=("test",))


@pytest.mark.parametrize("features", ["cached", "live"])
def test_features_that_are_kept_and_those_computed_in_every_step_train_the_same_model(cache, loop, features):
    values = {**EVERY_3, "n_uniform": 2}
    first, second = (loop(**values, where={"features": item}) for item in ("cached", features))
    assert same(trained(first, 1), trained(second, 1))


# -- stopping and going on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_stop_and_resume_equals_straight_through(loop, values):
    check_stop_and_resume(lambda: loop(**{"epochs": 4, "history": "none", **values}), (1, 2, 3))


def test_seeds_give_other_trainings_and_the_same_seed_the_same(loop):
    values = {**EVERY_3}
    assert same(trained(loop(**values)), trained(loop(**values)))
    assert not same(trained(loop(seed=1, **values)), trained(loop(**values)))


def test_a_training_from_other_weights_exports_its_own_centre_bias(cache, loop, tmp_path):
    begun = loop(where={"bias": "corner"})
    save_file(trained(begun, 1), tmp_path / WEIGHTS)
    output = loop(init_from=str(tmp_path))
    assert torch.equal(
        output.weights()["readout.layers.0.conv.weight"], begun.weights()["readout.layers.0.conv.weight"]
    )
    weights = trained(output, 1)
    assert torch.equal(weights["prior.log_density"], build(cache).modules()["prior"].log_density)
    assert not torch.equal(weights["prior.log_density"], begun.weights()["prior.log_density"])


# -- health, pictures and facts ----------------------------------------------------------------------------------------


def test_the_least_bias_of_before_training_and_of_the_epochs_before_is_compared_with(loop, cache):
    output = loop(lr=0.03)
    report = output.run_epoch()
    variant, first = output.variant, build(cache).measure_bias()["uniform"].bits.mean()
    assert report["val/bias_information_bits"] > first
    assert variant._least_bias == first
    grown = {**report, "epoch": 3, "val/bias_information_bits": first + 1.0}
    assert "bias grows" in {item.check for item in variant.health(grown)}
    assert variant._least_bias == first
    variant.health({**report, "val/bias_information_bits": 0.0})
    assert variant.state()["least_bias"] == 0.0


def test_pictures_show_images_and_the_bias_before_training_and_now(cache, loop):
    output = loop(where={"val_size": 6})
    assert set(output.variant.panels()) == {"image_1", "image_2", "image_3", "image_4", "bias"}
    width = output.variant.panels()["bias"].shape[1]
    output.run_epoch()
    pictures = output.variant.panels()
    assert pictures["bias"].shape[1] == width + 256
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in pictures.values())
    assert build(cache, splits=("train", "test")).panels() == {}


def test_the_bias_before_training_is_that_of_the_first_weights(cache, loop):
    output = loop()
    first = build(cache).measure_bias()["uniform"].density
    output.run_epoch()
    np.testing.assert_array_equal(output.variant._first_bias.numpy(), first)
    assert (output.variant.measure_bias()["uniform"].density != first).any()


def test_facts_have_sizes_fingerprints_the_centre_bias_and_what_is_trained(cache):
    facts = build(cache, history="real", splits=("train", "val", "test")).describe()
    assert {split: (item["images"], item["fixations"]) for split, item in facts["splits"].items()} == {
        "train": (8, 96),
        "val": (4, 48),
        "test": (4, 48),
    }
    assert len({entry["fingerprint"] for entry in facts["splits"].values()}) == 3
    assert facts["centre_bias"]["bandwidth"] == 0.1
    assert facts["backbone"]["channels"] == [48, 64, 64]
    assert set(facts["parameters"]) == {"readout", "scanpath", "selection", "finaliser"}
    assert facts["parameters"]["finaliser"] == 2


@pytest.mark.parametrize("values", [{}, {"history": "real", "spatial_share": 0.0}])
def test_bf16_trains_and_is_judged_in_float32(loop, values):
    output = loop(precision="bf16", epochs=3, **EVERY_3, **values)
    reports = [output.run_epoch() for _ in range(3)]
    assert reports[2]["raw/nll_bits"] < reports[0]["raw/nll_bits"]
    assert reports[2]["health/density_sum_error"] < 1e-4


def test_real_fixations_are_learned_from(real_data, cache):
    where = {"source": "fixations", "root": str(real_data("fixations")), "folds": 10, "probes": 4}
    variant = build(cache, image_size=128, epochs=1, lr=0.01, batch_size=16, where=where)
    report = Loop(variant, OBJECTIVE).run_epoch()
    assert {split: len(item) for split, item in variant.splits.items()} == {"train": 560, "val": 70}
    assert 0.3 < report["val/centre_bias_log_likelihood_bits"] < 1.5
    assert report["val/log_likelihood_bits"] > 0.5 * report["val/centre_bias_log_likelihood_bits"]
    assert report["health/fatal"] == 0
