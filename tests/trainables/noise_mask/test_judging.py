"""How a trained classifier is judged: by which copies, and always alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.loops import same, trained
from tests.support.tiny_noise import FORMS, build, build_loop
from trainables.images.augment import to_device


def test_without_probe_a_heated_classifier_is_judged_with_the_batch_norms_of_images_without_masks():
    loop = build_loop(objective="random", heat_share=0.75, probe_steps=0)
    report = loop.run_epoch()
    variant = loop.variant
    images, labels = to_device(variant.splits["val"], torch.arange(12), torch.device("cpu"))
    judged = variant.judge.probe(0).eval()
    with torch.no_grad():
        predictions = judged(images).argmax(dim=1)
    expected = np.mean([(predictions[labels == label] == label).float().mean().item() for label in labels.unique()])
    assert report["val/accuracy_balanced_maskfree"] == pytest.approx(expected, abs=1e-6)
    assert report["val/accuracy_balanced_heated"] == report["val/accuracy_balanced_maskfree"]


def test_a_probe_is_a_fine_tuned_copy():
    loop = build_loop(objective="random", heat_share=0.75, probe_steps=3)
    loop.run_epoch()
    variant = loop.variant
    before = {name: value.clone() for name, value in variant.classifier.state_dict().items()}
    copied = variant.judge.probe(3)
    torch.rand(3)
    other = variant.judge.probe(3)
    assert same(copied.state_dict(), other.state_dict())
    assert same(before, variant.classifier.state_dict())
    plain = variant.judge.probe(0)
    weights = [name for name, value in plain.named_parameters() if not torch.equal(value, copied.get_parameter(name))]
    assert len(weights) > 10


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
def test_evaluation_is_a_function_of_the_weights(values):
    loop = build_loop(**values)
    loop.run_epoch()
    variant = loop.variant
    before = variant.evaluate("val")
    trained(build_loop(seed=1, **values), 1)  # draws from other generators in between
    torch.rand(5)
    assert variant.evaluate("val") == before
    judged = build(seed=5, **values)
    for name, module in judged.modules().items():
        module.load_state_dict(variant.modules()[name].state_dict())
    assert judged.evaluate("val") == before


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
def test_training_with_evaluations_in_between_equals_training_without(values):
    def looked_at() -> dict[str, torch.Tensor]:
        watched = build_loop(**values)
        step = watched.variant.step

        def step_and_look(batch, update):
            watched.variant.evaluate("val")
            watched.variant.panels()
            for module in watched.variant.gradient_parts().values():
                module.train()
            return step(batch, update)

        watched.variant.step = step_and_look
        return trained(watched, 3)

    plain = trained(build_loop(**values), 3)
    assert same(plain, looked_at())


def test_only_asked_splits_are_scored_and_another_is_an_error():
    variant = build(splits=("train", "val"))
    with pytest.raises(ValueError, match="to evaluate test, build the variant with the test split too"):
        variant.evaluate("test")
    assert build(splits=("test",)).evaluate("test")["classes"] == 3
