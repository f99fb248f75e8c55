"""The whole variant on tiny images: its stages, its state, its panels, and settings that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.support.loops import check_stop_and_resume, same, trained
from tests.support.tiny_noise import FORMS, build, build_loop, config
from trainables.files import WEIGHTS
from trainables.noise_mask.config import Data
from trainables.noise_mask.variant import NoiseMask
from trainables.registry import load
from trainables.settings import UsageError
from trainables.stages import Stage

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
    loop = build_loop(epochs=8, heat_share=0.5, lr=0.01, ft_lr=0.002, ft_warmup=0.5, warmup_epochs=0.0)
    rates = [loop.run_epoch()["train/lr"] for _ in range(8)]  # at each epoch's last step
    assert rates[0] > rates[1] > rates[2] > rates[3]
    assert rates[3] < 0.001
    assert 0 < rates[4] < rates[5] <= 0.002
    assert rates[5] > rates[6] > rates[7]


@pytest.mark.parametrize("objective", ["reinforce", "literal", "rsample"])
def test_the_policy_is_trained_under_masks_and_rests_afterwards(objective):
    loop = build_loop(objective=objective, heat_share=0.5, weight_decay=0.1)
    start = {name: value.clone() for name, value in loop.weights().items()}
    after_heat = trained(loop, 2)
    after_tuning = trained(loop, 2)

    def moved(before, after) -> set[str]:
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}

    assert {"classifier", "policy"} <= moved(start, after_heat)
    assert "classifier" in moved(after_heat, after_tuning)
    assert "policy" not in moved(after_heat, after_tuning)


@pytest.mark.parametrize("objective", ["random", "none"])
def test_without_masks_batch_norms_are_those_of_the_weights_and_not_of_the_steps_before(objective):
    """Under masks of half contrast they know inputs that there are no more; and they lag behind in any training."""
    loop = build_loop(objective=objective, epochs=4, heat_share=0.5, augment="none")
    trained(loop, 2)
    variant = loop.variant
    for epoch in (2, 3):
        loop.run_epoch()
        state = variant.classifier.state_dict()
        assert same(state, variant.judge.probe(0).state_dict()), epoch


def test_measuring_batch_norms_does_not_change_the_training(monkeypatch):
    measured_loop = build_loop(objective="none")
    weights = trained(measured_loop)
    monkeypatch.setattr(NoiseMask, "end_epoch", lambda self: self.progress.heated.fill_(self._step.under_masks))
    plain = trained(build_loop(objective="none"))
    learnt = {name for name, _ in measured_loop.variant.classifier.named_parameters()}
    assert all(torch.equal(weights[f"classifier.{name}"], plain[f"classifier.{name}"]) for name in learnt)
    assert not same(weights, plain)


# -- stopping and going on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
def test_stop_and_resume_equals_straight_through_and_across_the_border(values):
    check_stop_and_resume(lambda: build_loop(**values), (1, 2, 3), own_generators=True)


def test_a_training_from_other_weights_exports_its_own_normalisation(tmp_path):
    donor = build_loop(image_size=48)
    save_file(trained(donor, 1), tmp_path / WEIGHTS)
    loop = build_loop(init_from=str(tmp_path))
    weights = trained(loop, 1)
    assert torch.equal(weights["standard.mean"], build().standard.mean)
    assert not torch.equal(weights["standard.mean"], donor.weights()["standard.mean"])


def test_seeds_give_other_trainings_and_the_same_seed_the_same():
    assert same(trained(build_loop()), trained(build_loop()))
    assert not same(trained(build_loop(seed=1)), trained(build_loop()))


# -- pictures and facts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
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
    with pytest.raises(
        UsageError, match=rf"^{field}=resnet540 is no model of timm: take resnet10t, or one of timm\.list_models\(\)"
    ):
        load("noise_mask").check(config(**{field: "resnet540"}), Data())


@pytest.mark.parametrize(("sigma", "kernel", "width"), [(6.0, None, 25), (0.5, None, 3), (0.0, None, 1), (6.0, 13, 13)])
def test_the_blur_s_width_follows_its_deviation_unless_it_is_given(sigma, kernel, width):
    assert config(sigma=sigma, kernel=kernel).blur_width == width
