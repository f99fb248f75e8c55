"""The whole variant on tiny images: its stages, what it reports and restores, and the notes' defects."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tests.support.loops import check_stop_and_resume, same, trained
from tests.support.tiny_noise import build, config
from trainables.files import WEIGHTS
from trainables.images.augment import to_device
from trainables.noise_mask.config import Data
from trainables.noise_mask.variant import NoiseMask
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.settings import UsageError
from trainables.stages import Stage
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/accuracy_balanced_maskfree"),))
FORMS = [
    {"objective": "reinforce"},
    {"objective": "reinforce", "sign": "adversarial", "samples": 3},
    {"objective": "reinforce", "baseline": "batch", "mean_preserving": True},
    {"objective": "literal"},
    {"objective": "rsample", "amplitude": 0.5},
    {"objective": "random"},
    {"objective": "random", "samples": 2, "erase": 0.5},
    {"objective": "none"},
]
NAMES = ["reinforce", "samples", "batch", "literal", "rsample", "random", "random-2", "none"]


def loop(**values) -> Loop:
    return Loop(build(**values), OBJECTIVE)


# -- stages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epochs", "share", "heat"), [(10, 0.7, 7), (10, 0.95, 9), (10, 0.05, 1), (2, 0.9, 1), (100, 0.9, 90)]
)
def test_heat_takes_its_share_of_the_budget_and_leaves_an_epoch_to_fine_tune(epochs, share, heat):
    variant = build(epochs=epochs, heat_share=share, lr=0.01, ft_lr=0.002, ft_warmup=0.5)
    assert [(stage.name, stage.end) for stage in variant.stages] == [("heat", heat), ("fine_tune", epochs)]
    tuning = variant.stages[1]
    assert tuning.restarts_schedule
    assert tuning.fresh_optimizer
    assert tuning.lr_factor == pytest.approx(0.2)
    assert tuning.warmup == pytest.approx(0.5 * (epochs - heat))


def test_the_baseline_without_masks_is_one_training_of_the_same_length():
    assert build(objective="none", epochs=7).stages == (Stage("training", 7),)


def test_the_learning_rate_of_fine_tuning_is_its_own_and_rises_first():
    made = loop(epochs=8, heat_share=0.5, lr=0.01, ft_lr=0.002, ft_warmup=0.5, warmup_epochs=0.0)
    rates = [made.run_epoch()["train/lr"] for _ in range(8)]  # at each epoch's last step
    assert rates[0] > rates[1] > rates[2] > rates[3]
    assert rates[3] < 0.001
    assert 0 < rates[4] < rates[5] <= 0.002
    assert rates[5] > rates[6] > rates[7]


@pytest.mark.parametrize("objective", ["reinforce", "literal", "rsample"])
def test_the_policy_is_trained_under_masks_and_rests_afterwards(objective):
    made = loop(objective=objective, heat_share=0.5, weight_decay=0.1)
    start = {name: value.clone() for name, value in made.weights().items()}
    heated = trained(made, 2)
    tuned = trained(made, 2)

    def moved(before, after) -> set[str]:
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}

    assert {"classifier", "policy"} <= moved(start, heated)
    assert "classifier" in moved(heated, tuned)
    assert "policy" not in moved(heated, tuned)


@pytest.mark.parametrize("objective", ["random", "none"])
def test_without_masks_batch_norms_are_those_of_the_weights_and_not_of_the_steps_before(objective):
    """Under masks of half contrast they know inputs that there are no more; and they lag behind in any training."""
    made = loop(objective=objective, epochs=4, heat_share=0.5, augment="none")
    trained(made, 2)
    variant = made.variant
    for epoch in (2, 3):
        made.run_epoch()
        kept = variant.classifier.state_dict()
        assert same(kept, variant.judge.probe(0).state_dict()), epoch


def test_measuring_batch_norms_does_not_change_the_training(monkeypatch):
    measured = loop(objective="none")
    weights = trained(measured)
    monkeypatch.setattr(NoiseMask, "end_epoch", lambda self: self.progress.heated.fill_(self._step.under_masks))
    plain = trained(loop(objective="none"))
    learnt = {name for name, _ in measured.variant.classifier.named_parameters()}
    assert all(torch.equal(weights[f"classifier.{name}"], plain[f"classifier.{name}"]) for name in learnt)
    assert not same(weights, plain)


# -- steps -------------------------------------------------------------------------------------------------------------


def gradients(variant, batch) -> list[torch.Tensor]:
    variant.classifier.zero_grad()
    torch.autograd.backward(variant.step(batch, 0).loss)
    return [each.grad.clone() for each in variant.classifier.parameters() if each.grad is not None]


@pytest.mark.parametrize("grid", [2, 8])
def test_literal_multiplies_the_classifier_s_gradient_by_the_grid_s_logarithm_and_reinforce_does_not(grid):
    """Notes: one backward pass of a product, so that `grid` sets the classifier's learning rate."""
    factors = {}
    for objective in ("literal", "reinforce"):
        variant = build(objective=objective, grid=grid, augment="none", entropy=0.5)
        variant.begin_epoch(0)
        batch = next(iter(variant.batches(0)))
        found = gradients(variant, batch)
        variant.policy.load_state_dict(
            build(objective=objective, grid=grid).policy.state_dict()
        )  # its norms have moved
        drawn = variant.sampler.sample(batch.images, batch.size, (0, batch.step), 1)
        variant.classifier.zero_grad()
        torch.autograd.backward(F.cross_entropy(variant.classifier(batch.images * drawn.masks.detach()), batch.labels))
        plain = [each.grad for each in variant.classifier.parameters() if each.grad is not None]
        norms = [math.sqrt(sum(float(each.square().sum()) for each in parts)) for parts in (found, plain)]
        factors[objective] = norms[0] / norms[1]
        if objective == "reinforce":
            for one, other in zip(found, plain, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert factors["reinforce"] == pytest.approx(1, abs=1e-4)
    assert factors["literal"] == pytest.approx(math.log(grid**2) + 0.15, abs=0.35)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_erasing_is_of_the_same_images_cropped_in_the_same_places(share):
    """So that trainings with and without differ by what is erased alone."""
    plain, erased = (
        torch.cat([batch.images for batch in build(objective="none", erase=each).batches(1)]) for each in (0.0, share)
    )
    changed = plain != erased
    assert (erased[changed] == 0).all()
    assert changed.flatten(1).any(dim=1).float().mean().item() == pytest.approx(share, abs=0.25)


def test_images_get_masks_of_their_own_which_are_others_at_each_step():
    variant = build(objective="random")
    batch = next(iter(variant.batches(0)))
    first, again, other = (variant.sampler.sample(batch.images, batch.size, (0, step), 1).masks for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_every_epoch_reports_the_same_finite_figures(values):
    made = loop(**values)
    reports = [made.run_epoch() for _ in range(4)]
    assert len({frozenset(report) for report in reports}) == 1
    numbers = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(numbers).all()
    heat = made.config.heat_epochs
    assert [report["train/masked"] for report in reports] == [1.0] * heat + [0.0] * (4 - heat)
    assert reports[3]["val/accuracy_balanced_heated"] == reports[3]["val/accuracy_balanced_maskfree"]


def test_a_policy_that_is_not_trained_has_not_moved_and_one_that_is_has():
    """Running parameters and batch statistics drift by themselves."""
    still, moving = (loop(objective="reinforce", policy_lr_ratio=ratio, entropy=0.0) for ratio in (0.0, 1.0))
    shifts = [[made.run_epoch()["health/policy_shift"] for _ in range(2)] for made in (still, moving)]
    assert shifts[0] == [0.0, 0.0]
    assert min(shifts[1]) > 1e-3


# -- evaluation --------------------------------------------------------------------------------------------------------


def test_without_probe_a_heated_classifier_is_judged_with_the_batch_norms_of_images_without_masks():
    made = loop(objective="random", heat_share=0.75, probe_steps=0)
    report = made.run_epoch()
    variant = made.variant
    images, labels = to_device(variant.splits["val"], torch.arange(12), torch.device("cpu"))
    judged = variant.judge.probe(0).eval()
    with torch.no_grad():
        said = judged(images).argmax(dim=1)
    expected = np.mean([(said[labels == label] == label).float().mean().item() for label in labels.unique()])
    assert report["val/accuracy_balanced_maskfree"] == pytest.approx(expected, abs=1e-6)
    assert report["val/accuracy_balanced_heated"] == report["val/accuracy_balanced_maskfree"]


def test_a_probe_is_a_fine_tuned_copy():
    made = loop(objective="random", heat_share=0.75, probe_steps=3)
    made.run_epoch()
    variant = made.variant
    before = {name: value.clone() for name, value in variant.classifier.state_dict().items()}
    copied = variant.judge.probe(3)
    torch.rand(3)
    other = variant.judge.probe(3)
    assert same(copied.state_dict(), other.state_dict())
    assert same(before, variant.classifier.state_dict())
    plain = variant.judge.probe(0)
    weights = [name for name, value in plain.named_parameters() if not torch.equal(value, copied.get_parameter(name))]
    assert len(weights) > 10


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_evaluation_is_a_function_of_the_weights(values):
    made = loop(**values)
    made.run_epoch()
    variant = made.variant
    before = variant.evaluate("val")
    trained(loop(seed=1, **values), 1)  # draws from other generators in between
    torch.rand(5)
    assert variant.evaluate("val") == before
    judged = build(seed=5, **values)
    for name, module in judged.modules().items():
        module.load_state_dict(variant.modules()[name].state_dict())
    assert judged.evaluate("val") == before


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_training_with_evaluations_in_between_equals_training_without(values):
    def looked_at() -> dict[str, torch.Tensor]:
        watched = loop(**values)
        step = watched.variant.step

        def step_and_look(batch, update):
            watched.variant.evaluate("val")
            watched.variant.panels()
            for module in watched.variant.gradient_parts().values():
                module.train()
            return step(batch, update)

        watched.variant.step = step_and_look
        return trained(watched, 3)

    plain = trained(loop(**values), 3)
    assert same(plain, looked_at())


def test_only_asked_splits_are_scored_and_another_is_an_error():
    variant = build(splits=("train", "val"))
    with pytest.raises(ValueError, match="to evaluate test, build the variant with the test split too"):
        variant.evaluate("test")
    assert build(splits=("test",)).evaluate("test")["classes"] == 3


# -- stopping and going on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_stop_and_resume_equals_straight_through_and_across_the_border(values):
    check_stop_and_resume(lambda: loop(**values), (1, 2, 3), own_generators=True)


def test_a_training_from_other_weights_exports_its_own_normalisation(tmp_path):
    begun = loop(image_size=48)
    save_file(trained(begun, 1), tmp_path / WEIGHTS)
    made = loop(init_from=str(tmp_path))
    weights = trained(made, 1)
    assert torch.equal(weights["standard.mean"], build().standard.mean)
    assert not torch.equal(weights["standard.mean"], begun.weights()["standard.mean"])


def test_seeds_give_other_trainings_and_the_same_seed_the_same():
    assert same(trained(loop()), trained(loop()))
    assert not same(trained(loop(seed=1)), trained(loop()))


# -- pictures and facts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS, ids=NAMES)
def test_pictures_show_images_and_their_masks(values):
    (picture,) = build(**values).panels().values()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert build(splits=("test",), **values).panels() == {}


def test_facts_have_sizes_classes_and_what_is_trained():
    facts = build(splits=("train", "val", "test")).describe()
    assert {split: each["images"] for split, each in facts["splits"].items()} == {"train": 24, "val": 12, "test": 12}
    assert len(facts["classes"]) == 3
    assert set(facts["parameters"]) == {"classifier", "policy"}
    assert set(build(objective="random").describe()["parameters"]) == {"classifier"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kernel": 12}, "kernel=12 is even"),
        ({"grid": 64}, "grid=64 is finer than image_size=32"),
        ({"samples": 2, "objective": "literal"}, "samples=2 is not possible with objective=literal"),
        ({"objective": "literal", "sign": "adversarial"}, "sign=adversarial has no meaning"),
        ({"objective": "literal", "grid": 1}, "grid=1 makes the factor"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(values, words):
    with pytest.raises(UsageError, match=words):
        build(**values)


@pytest.mark.parametrize("field", ["backbone", "policy_backbone"])
def test_a_network_that_timm_lacks_is_named_before_a_search(field):
    with pytest.raises(UsageError, match=rf"^{field}=resnet540 is no model of timm: take one of timm\.list_models\(\)"):
        load("noise_mask").check(config(**{field: "resnet540"}), Data())


@pytest.mark.parametrize(("sigma", "kernel", "width"), [(6.0, None, 25), (0.5, None, 3), (0.0, None, 1), (6.0, 13, 13)])
def test_the_blur_s_width_follows_its_deviation_unless_it_is_given(sigma, kernel, width):
    assert config(sigma=sigma, kernel=kernel).blur_width == width
