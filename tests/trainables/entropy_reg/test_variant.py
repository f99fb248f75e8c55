"""The whole variant on tiny synthetic images: what it reports and restores, and the notes' defects."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.support.gaze_folders import SIZES, central_fixations, write_folder
from tests.support.loops import check_stop_and_resume, same, trained
from tests.support.tiny_gaze import build
from trainables.entropy_reg.losses import negative_log_likelihood
from trainables.files import WEIGHTS
from trainables.objective import Goal, Objective
from trainables.stages import Stage
from trainables.training.loop import Loop
from trainables.training.weights import load_weights

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))
EVERY_3 = {"regulariser": "entropy", "lambda_eff": 0.3, "compute_every": 3}
FORMS = [
    {"where": {"train_size": 10}},
    {**EVERY_3, "where": {"train_size": 14}},  # four batches an epoch, the last one filled up; due at another each time
    {"regulariser": "dropout", "centre_bias_dropout": 0.5, "weight_decay": 0.1},
    {"history": "real", **EVERY_3, "compute_every": 1, "where": {"saccade": 0.1}},
]
NAMES = ["spatial", "entropy", "dropout", "history"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def loop(cache):
    def make(**values) -> Loop:
        return Loop(build(cache, **values), OBJECTIVE)

    return make


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_every_epoch_reports_the_same_finite_figures(loop, values):
    made = loop(**{"epochs": 3, **values})
    reports = [made.run_epoch() for _ in range(3)]
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
        numbers = [len(each.points) for each in variant.splits["val"].fixations]
        if len(set(numbers)) == 2:
            break
    assert sorted(numbers) == [2, 42]
    each = variant.score_images("val", variant.prior)
    found = variant.evaluate("val")
    for name in ("information_gain_bits", "log_likelihood_bits", "auc", "nss", "kl_bits", "cc", "sim", "nll_bits"):
        assert found[name] == pytest.approx(each[name].mean(), abs=1e-9)
        assert found[name] != pytest.approx(np.average(each[name], weights=numbers), abs=1e-4)


def test_a_model_that_returns_the_prior_gains_nothing_and_nll_and_likelihood_add_up(cache, monkeypatch):
    variant = build(cache)
    found = variant.evaluate("val")
    assert found["nll_bits"] + found["log_likelihood_bits"] == pytest.approx(math.log2(48 * 64), abs=1e-6)
    gain = found["log_likelihood_bits"] - found["centre_bias_log_likelihood_bits"]
    assert found["information_gain_bits"] == pytest.approx(gain, abs=1e-9)
    assert abs(gain) > 0.01
    monkeypatch.setattr(type(variant.net), "forward", lambda self, maps, shape, bias, history=None: bias[:, None])
    assert variant.evaluate("val")["information_gain_bits"] == pytest.approx(0, abs=1e-6)


def test_the_centre_bias_is_of_training_fixations_alone_and_without_it_the_model_is_shown_a_uniform_one(cache):
    variant = build(cache)
    train = variant.splits["train"]
    expected = [each.points / (64, 48) for each in train.fixations]
    assert len(variant.prior.relative) == len(expected)
    for found, wanted in zip(variant.prior.relative, expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    other = build(cache, centre_bias="uniform")
    other.net.load_state_dict(variant.net.state_dict())
    with_none = variant.score_images("val", None)
    shown = other.evaluate("val")
    assert shown["log_likelihood_bits"] == pytest.approx(with_none["log_likelihood_bits"].mean(), abs=1e-9)
    assert shown["log_likelihood_bits"] != pytest.approx(variant.evaluate("val")["log_likelihood_bits"], abs=1e-4)
    assert shown["centre_bias_log_likelihood_bits"] == variant.evaluate("val")["centre_bias_log_likelihood_bits"]


@pytest.mark.parametrize("regulariser", ["none", "dropout"])
def test_training_is_shown_the_centre_bias_without_each_images_own_fixations_or_none(cache, regulariser):
    variant = build(cache, regulariser=regulariser, centre_bias_dropout=0.5, batch_size=1)
    every = [variant.prior.log_density((12, 16), without=place) for place in range(8)]
    variant.begin_epoch(0)
    kinds = []
    for batch in variant.batches(0):
        place = next(
            place
            for place in range(8)
            if all(torch.equal(*pair) for pair in zip(batch.features, variant._features["train"]([place]), strict=True))
        )
        given = batch.centre_bias[0].numpy()
        kinds.append("none" if not given.any() else "own")
        if given.any():
            np.testing.assert_allclose(given, every[place], rtol=1e-5)
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
    found = full.evaluate("test")
    assert lean.evaluate("test") == found
    assert found["log_likelihood_bits"] != full.evaluate("val")["log_likelihood_bits"]


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
    first, second = (loop(**values, where={"features": each}) for each in ("cached", features))
    assert same(trained(first, 1), trained(second, 1))


# -- the regulariser ---------------------------------------------------------------------------------------------------


def test_a_weight_of_nothing_is_no_regulariser_bit_for_bit_and_another_weight_is_one(loop):
    none = trained(loop())
    for values in ({}, {"compute_every": 3}, {"uniform_kind": "grey3"}):
        without = loop(regulariser="entropy", lambda_eff=0.0, **values)
        assert same(trained(without), none)
        assert without.report["raw/entropy_bits"] > 1  # it is computed all the same
        assert not same(trained(loop(regulariser="entropy", lambda_eff=0.1, **values)), none)
    real = {"history": "real", "where": {"saccade": 0.1}}
    assert same(trained(loop(regulariser="entropy", lambda_eff=0.0, **real)), trained(loop(**real)))


@pytest.mark.parametrize(("every", "weight"), [(1, 0.4), (5, 0.4), (5, 0.0)])
def test_the_loss_of_a_step_that_is_due_has_the_term_as_often_as_it_was_missed(cache, every, weight):
    variant = build(cache, regulariser="entropy", lambda_eff=weight, compute_every=every, where={"train_size": 24})
    entropies = []
    for epoch in range(2):
        variant.begin_epoch(epoch)
        for batch in variant.batches(epoch):
            loss, parts = variant.step(batch, 0)
            due = batch.step % every == 0
            added = weight * every * parts["raw/entropy_bits"] if due else 0.0
            torch.testing.assert_close(loss.detach(), parts["raw/nll_bits"] - added, rtol=1e-6, atol=1e-5)
            assert parts["health/regulariser_share"] == due
            entropies.append((batch.step, parts["raw/entropy_bits"].item()))
    assert [step for step, _ in entropies] == list(range(12))
    kept = [before == now for (_, before), (_, now) in itertools.pairwise(entropies)]
    assert kept == [step % every != 0 for step in range(1, 12)]


def test_the_likelihood_in_the_loss_is_that_of_each_images_fixations_and_a_filled_up_image_does_not_count(cache):
    variant = build(cache, where={"train_size": 9})
    variant.begin_epoch(0)
    for batch in variant.batches(0):
        with torch.no_grad():
            density = variant.net(batch.features, batch.shape, batch.centre_bias)
        each = negative_log_likelihood(density, batch.cells, batch.shares)
        expected = each[batch.weights > 0].mean()
        assert variant.step(batch, 0).loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert (batch.weights > 0).sum() in (1, 4)


def due_steps(made: Loop) -> list[int]:
    """Run a whole training and list the steps at which the entropy is computed, from 0."""
    steps, seen = [], []
    term = made.variant._step.entropy_term
    step, mean = made.variant.step, term.mean_entropy
    made.variant.step = lambda batch, update: seen.append(0) or step(batch, update)
    term.mean_entropy = lambda *rest: steps.append(len(seen) - 1) or mean(*rest)
    trained(made)
    return steps


@pytest.mark.parametrize(("every", "expected"), [(1, list(range(9))), (4, [0, 4, 8]), (7, [0, 7])])
def test_it_is_computed_every_so_many_steps_of_the_whole_training_and_not_of_each_epoch(loop, every, expected):
    made = loop(epochs=3, regulariser="entropy", compute_every=every, where={"train_size": 12})
    assert due_steps(made) == expected


def test_an_epoch_without_the_term_is_found_and_reports_the_same_keys(loop):
    """The notes: 902 images in batches of 32 are 29 batches, of which every fiftieth is regularised."""
    values = {"regulariser": "entropy", "compute_every": 50, "batch_size": 1, "where": {"train_size": 29}}
    made = loop(epochs=4, **values)
    reports = [made.run_epoch() for _ in range(4)]
    checks = [{each["check"] for each in report["findings"]} for report in reports]
    assert made.variant.steps_per_epoch == 29
    assert ["regulariser never computed" in each for each in checks] == [False, False, True, False]
    assert [report["health/regulariser_share"] for report in reports] == pytest.approx([1 / 29, 1 / 29, 0, 1 / 29])
    assert len({frozenset(report) for report in reports}) == 1
    message = next(each["message"] for each in reports[2]["findings"] if each["check"] == "regulariser never computed")
    assert "50" in message


def test_raising_the_entropy_lowers_the_bias_on_probes_that_training_never_has(cache, loop):
    values = {"centre_bias": "uniform", "epochs": 6, "lr": 0.02, "where": {"train_size": 24, "viewers": 8, "probes": 8}}
    plain, weak, strong = (loop(**values, **more) for more in ({}, {**EVERY_3, "lambda_eff": 0.05}, EVERY_3))
    bits = []
    for made in (plain, weak, strong):
        trained(made)
        bits.append([made.report[f"val/bias_information{kind}_bits"] for kind in ("", "_reflect")])
    assert bits[0][0] > 0.3
    assert bits[1][0] < bits[0][0]
    assert bits[2][0] < 0.5 * bits[0][0]


def test_a_term_that_is_computed_at_every_fifth_step_lowers_the_bias_about_as_much(loop):
    """Its gradient is five times as large then, of which clipping to a norm would leave a fifth."""
    values = {"centre_bias": "uniform", "epochs": 6, "lr": 0.02, "where": {"train_size": 24, "viewers": 8, "probes": 8}}
    bits = []
    for every in (1, 5):
        made = loop(**values, regulariser="entropy", lambda_eff=1.0, compute_every=every)
        trained(made)
        bits.append(made.report["val/bias_information_bits"])
    assert 0.5 < bits[1] / bits[0] < 2


# -- histories and their stages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({"epochs": 10}, [10]),
        ({"epochs": 10, "history": "real"}, [5, 10]),
        ({"epochs": 10, "history": "real", "spatial_share": 0.0}, [10]),
        ({"epochs": 1, "history": "real"}, [1]),
        ({"epochs": 2, "history": "real", "spatial_share": 0.9}, [1, 2]),
        ({"epochs": 4, "history": "real", "spatial_share": 0.9}, [3, 4]),
    ],
)
def test_with_histories_there_are_two_stages_and_the_second_one_is_never_empty(cache, values, ends):
    stages = build(cache, **values).stages
    assert [stage.end for stage in stages] == ends
    if len(ends) == 2:
        assert stages == (Stage("spatial", ends[0]), Stage("scanpath", ends[1], restarts_schedule=True))


def test_the_scanpath_network_waits_for_its_stage_and_then_the_first_readout_layers_rest(loop):
    made = loop(history="real", where={"saccade": 0.1})
    first = trained(made, 1)
    start = build(made.variant.data.cache, history="real", where={"saccade": 0.1}).net.state_dict()
    second = trained(made, 1)

    def moved(before, after) -> set[str]:
        return {name for name in before if not torch.equal(before[name], after[name])}

    begin = moved(start, first)
    then = moved(first, second)
    assert not [name for name in begin if "scanpath" in name]
    for layer in range(3):
        names = [name for name in first if name.startswith(f"readout.layers.{layer}.")]
        assert set(names) & begin
        assert bool(set(names) & then) is (layer == 2)
    for part in ("scanpath.slots.0.", "scanpath.", "selection.scanpath.", "finaliser."):
        assert any(name.startswith(part) for name in then), part


def test_the_spatial_stage_has_no_histories_and_the_scanpath_stage_has(cache):
    variant = build(cache, history="real")
    for epoch, there in ((0, False), (1, True)):
        variant.begin_epoch(epoch)
        batch = next(variant.batches(epoch))
        assert (batch.history is not None) is there
        assert batch.cells.shape == ((4, 3) if there else (4, 12))


def test_weights_of_a_training_with_histories_are_judged_with_histories_whoever_loads_them(cache, loop, tmp_path):
    """A built variant that is not trained has the weights of an end, and not those of the spatial stage."""
    made = loop(history="real", where={"saccade": 0.1})
    weights = trained(made)
    save_file(weights, tmp_path / WEIGHTS)
    judged = build(cache, seed=3, history="real", where={"saccade": 0.1}, splits=("train", "val", "test"))
    load_weights(tmp_path / WEIGHTS, judged)
    found = judged.evaluate("val")
    for name, value in found.items():
        assert made.report[name if name.startswith("health/") else f"val/{name}"] == value, name
    judged.net.scanpath.shown.fill_(False)
    assert judged.evaluate("val")["log_likelihood_bits"] != found["log_likelihood_bits"]


def test_a_bias_is_compared_with_those_of_its_stage_alone_and_with_that_before_the_first_step(cache):
    """With histories the bits are also of where the eye was."""
    variant = build(cache, epochs=4, history="real")
    for epoch in range(4):
        variant.begin_epoch(epoch)
        begins = epoch in (0, 2)
        assert variant._least_bias == (float(variant.measure_bias()["uniform"].bits.mean()) if begins else 0.01)
        variant._least_bias = 0.01
    plain = build(cache, epochs=4, history="real", spatial_share=0.0)
    plain.begin_epoch(0)
    plain._least_bias = 0.2
    plain.begin_epoch(2)
    assert plain._least_bias == 0.2


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
    made = loop(init_from=str(tmp_path))
    assert torch.equal(made.weights()["readout.layers.0.conv.weight"], begun.weights()["readout.layers.0.conv.weight"])
    weights = trained(made, 1)
    assert torch.equal(weights["prior.log_density"], build(cache).modules()["prior"].log_density)
    assert not torch.equal(weights["prior.log_density"], begun.weights()["prior.log_density"])


# -- health, pictures and facts ----------------------------------------------------------------------------------------


def test_the_least_bias_of_before_training_and_of_the_epochs_before_is_compared_with(loop, cache):
    made = loop(lr=0.03)
    report = made.run_epoch()
    variant, first = made.variant, build(cache).measure_bias()["uniform"].bits.mean()
    assert report["val/bias_information_bits"] > first
    assert variant._least_bias == first
    grown = {**report, "epoch": 3, "val/bias_information_bits": first + 1.0}
    assert "bias grows" in {each.check for each in variant.health(grown)}
    assert variant._least_bias == first
    variant.health({**report, "val/bias_information_bits": 0.0})
    assert variant.state()["least_bias"] == 0.0


def test_pictures_show_images_and_the_bias_before_training_and_now(cache, loop):
    made = loop(where={"val_size": 6})
    assert set(made.variant.panels()) == {"image_1", "image_2", "image_3", "image_4", "bias"}
    width = made.variant.panels()["bias"].shape[1]
    made.run_epoch()
    pictures = made.variant.panels()
    assert pictures["bias"].shape[1] == width + 256
    assert all(each.dtype == np.uint8 and each.ndim == 3 for each in pictures.values())
    assert build(cache, splits=("train", "test")).panels() == {}


def test_the_bias_before_training_is_that_of_the_first_weights(cache, loop):
    made = loop()
    first = build(cache).measure_bias()["uniform"].density
    made.run_epoch()
    np.testing.assert_array_equal(made.variant._first_bias.numpy(), first)
    assert (made.variant.measure_bias()["uniform"].density != first).any()


def test_facts_have_sizes_fingerprints_the_centre_bias_and_what_is_trained(cache):
    facts = build(cache, history="real", splits=("train", "val", "test")).describe()
    assert {split: (each["images"], each["fixations"]) for split, each in facts["splits"].items()} == {
        "train": (8, 96),
        "val": (4, 48),
        "test": (4, 48),
    }
    assert len({each["fingerprint"] for each in facts["splits"].values()}) == 3
    assert facts["centre_bias"]["bandwidth"] == 0.1
    assert facts["backbone"]["channels"] == [48, 64, 64]
    assert set(facts["parameters"]) == {"readout", "scanpath", "selection", "finaliser"}
    assert facts["parameters"]["finaliser"] == 2


@pytest.mark.parametrize("values", [{}, {"history": "real", "spatial_share": 0.0}])
def test_bf16_trains_and_is_judged_in_float32(loop, values):
    made = loop(precision="bf16", epochs=3, **EVERY_3, **values)
    reports = [made.run_epoch() for _ in range(3)]
    assert reports[2]["raw/nll_bits"] < reports[0]["raw/nll_bits"]
    assert reports[2]["health/density_sum_error"] < 1e-4


def test_real_fixations_are_learned_from(real_data, cache):
    where = {"source": "fixations", "root": str(real_data("fixations")), "folds": 10, "probes": 4}
    variant = build(cache, image_size=128, epochs=1, lr=0.01, batch_size=16, where=where)
    report = Loop(variant, OBJECTIVE).run_epoch()
    assert {split: len(each) for split, each in variant.splits.items()} == {"train": 560, "val": 70}
    assert 0.3 < report["val/centre_bias_log_likelihood_bits"] < 1.5
    assert report["val/log_likelihood_bits"] > 0.5 * report["val/centre_bias_log_likelihood_bits"]
    assert report["health/fatal"] == 0
