"""The whole variant on tiny synthetic data: what it reports, what it restores, and the defects it must not have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tests.support.loops import through_a_file, timeless, trained
from tests.support.tiny_masks import build
from trainables.mask_st import sampling
from trainables.mask_st import weighting as gradnorm
from trainables.mask_st.config import Config
from trainables.mask_st.sampling import Mask
from trainables.mask_st.variant import MaskST
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.training.loop import Loop

KINDS = ("straight_through", "deterministic", "random", "ppo", "none")
OBJECTIVE = Objective((Goal("val/auroc_macro"),), {"health/coverage_error": 0.03})


def one_step(variant: MaskST, epoch: int = 2, update: int = 0) -> tuple[dict, dict]:
    """Run an epoch's first step; return its components and the generator's gradients."""
    variant.begin_epoch(epoch)
    batch = next(variant.batches(epoch))
    for index in range(update + 1):
        for module in variant.modules().values():
            module.zero_grad()
        step = variant.step(batch, index)
        step.loss.backward()
    return dict(step.components), {name: parameter.grad for name, parameter in variant.generator.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_and_reports_the_same_keys_in_every_epoch(kind):
    loop = Loop(build(mask_kind=kind), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(3)]
    assert reports[0].keys() == reports[1].keys() == reports[2].keys()
    figures = [value for report in reports for value in report.values() if isinstance(value, int | float)]
    assert np.isfinite(figures).all()
    assert {"val/auroc_macro", "val/loss_full", "val/f1_macro", "health/coverage_error", "raw/full"} <= reports[
        0
    ].keys()
    assert ("val/coverage_expected" in reports[0]) == (kind not in ("random", "none"))
    assert ("val/pointing_game" in reports[0]) == (kind != "none")


@pytest.mark.parametrize("weighting", ["static", "gradnorm"])
@pytest.mark.parametrize("kind", ["straight_through", "ppo"])
def test_stop_and_resume_equals_straight_through(kind, weighting, monkeypatch):
    monkeypatch.setattr(gradnorm, "REFERENCE_UPDATES", 2)  # of the few updates there are
    settings = {"mask_kind": kind, "weighting": weighting, "augment": "light"}
    uninterrupted, first = (Loop(build(**settings), OBJECTIVE) for _ in range(2))
    reference = [uninterrupted.run_epoch() for _ in range(3)][2]
    trained(first, 2)
    state = through_a_file(first.state())  # before another loop seeds torch's generator
    second = Loop(build(seed=5, **settings), OBJECTIVE)  # another seed draws other weights, which must not matter
    second.variant._batches = build(**settings)._batches
    second.load_state(state)
    report = second.run_epoch()
    assert timeless(report) == timeless(reference)
    assert report["train/temperature"] == pytest.approx(0.2)  # the published code starts again at 0.7


def test_every_parameter_of_the_generator_gets_a_gradient_from_the_task():
    variant = build(gamma=0.0, delta=0.0, volume_lambda=0.0)
    components, gradients = one_step(variant)
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    assert components["health/mask_grad_norm"] == pytest.approx(gradients["head.weight"].norm().item())
    assert components["health/mask_signal"] > 0


def test_with_inverted_straight_through_only_the_area_terms_move_the_generator(monkeypatch):
    def defective_sample(logits, noise, temperature, *, hard, top_k):
        soft = torch.sigmoid((logits + noise) / temperature)
        binary = sampling.binarise(logits.detach() + noise, top_k)
        return Mask(binary + (soft - binary).detach(), soft)

    monkeypatch.setattr(sampling, "sample", defective_sample)
    variant = build(gamma=0.0, delta=0.0, volume_lambda=0.0)
    components, gradients = one_step(variant)
    assert all(gradient is None or not gradient.any() for gradient in gradients.values())
    assert components["health/mask_signal"] == 0


def test_deterministic_control_has_no_signal_and_says_so():
    loop = Loop(build(mask_kind="deterministic"), OBJECTIVE)
    report = [loop.run_epoch() for _ in range(2)][1]
    assert report["health/mask_signal"] == 0
    assert "generator without gradient" in {finding.check for finding in loop.monitor.findings}
    assert not any(finding.fatal for finding in loop.monitor.findings)


def test_ppo_updates_of_one_batch_leave_the_classifier_alone():
    variant = build(mask_kind="ppo", ppo_updates=2)
    assert variant.updates_per_batch == 2
    components, gradients = one_step(variant, update=1)
    assert "raw/full" not in components
    assert all(parameter.grad is None for parameter in variant.classifier.parameters())
    assert gradients["head.weight"].abs().sum() > 0


def test_ppo_re_uses_the_actions_of_the_batch_that_it_is_at():
    variant = build(mask_kind="ppo", ppo_updates=2)
    variant.begin_epoch(2)
    batches = variant.batches(2)
    first, second = next(batches), next(batches)
    with pytest.raises(ValueError, match="without its first"):
        variant.step(first, 1)
    variant.step(first, 0)
    loss, repetition = (variant.step(first, 1).components["raw/policy"] for _ in range(2))
    torch.testing.assert_close(repetition, loss, rtol=0, atol=0)
    variant.step(second, 0)
    assert variant.step(second, 1).components["raw/policy"] != loss
    with pytest.raises(ValueError, match="without its first"):
        variant.step(first, 1)  # all of its updates have been made


@pytest.mark.parametrize("accumulate", [2, 3])
def test_ppo_re_uses_each_batch_s_own_actions_where_several_are_accumulated(accumulate):
    """The loop makes the first update on all batches of a group, and then the second one on all."""
    variant = build(mask_kind="ppo", ppo_updates=2)
    variant.begin_epoch(2)
    group = list(itertools.islice(variant.batches(2), accumulate))
    first = [variant.step(batch, 0).components["raw/policy"] for batch in group]
    second = [variant.step(batch, 1).components["raw/policy"] for batch in group]
    torch.testing.assert_close(torch.stack(second), torch.stack(first))  # no weight has changed in between


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_ppo_s_memory_does_not_grow_with_the_epoch(accumulate):
    variant = build(mask_kind="ppo", ppo_updates=2, accumulate=accumulate)
    Loop(variant, OBJECTIVE).run_epoch()
    assert len(variant._step._rollouts) <= accumulate
    single = build(mask_kind="ppo", ppo_updates=1, accumulate=accumulate)
    Loop(single, OBJECTIVE).run_epoch()
    assert len(single._step._rollouts) == 1


def test_only_classification_at_first():
    variant = build(epochs=4, bce_fraction=0.5, ramp_fraction=0.25)
    assert [stage.end for stage in variant.stages] == [2, variant.config.epochs]
    assert [round(batch.ramp, 3) for batch in variant.batches(1)] == [0, 0, 0]
    assert [round(batch.ramp, 3) for batch in variant.batches(2)] == [0, 0.333, 0.667]
    assert {batch.ramp for batch in variant.batches(3)} == {1.0}
    components, gradients = one_step(variant, epoch=0)
    assert components["raw/consistency"] > 0
    assert all(not gradient.any() for gradient in gradients.values())


def test_stochastic_depth_touches_the_full_images_alone():
    variant = build(backbone="convnext_atto", drop_path=0.5)
    calls = []
    variant.classifier.register_forward_pre_hook(lambda module, inputs: calls.append(inputs))
    one_step(variant)
    images, depth = calls[0]
    assert len(images) == len(depth) == 24
    assert (depth[:8] != 1).any()
    assert (depth[8:] == 1).all()


def test_keep_and_drop_images_share_out_the_full_one():
    variant = build()
    batches = []
    variant.classifier.register_forward_pre_hook(lambda module, inputs: batches.append(inputs[0]))
    one_step(variant)
    full, keep, drop = batches[0].detach().chunk(3)
    torch.testing.assert_close(keep + drop, full)  # the reference is 0
    assert ((keep == 0) | (drop == 0)).all()
    shares = (keep != 0).float().mean(dim=(1, 2, 3))
    assert shares.tolist() == pytest.approx([2 / 16] * 8, abs=0.01)  # round(0.1 · 16) of 16 cells


def test_batches_of_two_processes_are_those_of_one():
    whole_batch = next(build(augment="light").batches(1))
    for rank in range(2):
        part = next(build(augment="light", processes=Processes(rank, 2)).batches(1))
        for name in ("images", "labels", "noise"):
            assert torch.equal(getattr(part, name), getattr(whole_batch, name)[rank::2])


def test_batches_follow_from_seed_and_epoch():
    variant = build()
    first, repetition, later = (next(variant.batches(epoch)).noise for epoch in (0, 0, 1))
    assert torch.equal(first, repetition)
    assert not torch.equal(first, later)
    assert not torch.equal(first, next(build(seed=1).batches(0)).noise)


def test_plain_baseline_can_have_as_many_forward_passes():
    assert build(mask_kind="none").steps_per_epoch == 3
    repeated = build(mask_kind="none", plain_repeats=3)
    assert repeated.steps_per_epoch == len(list(repeated.batches(0))) == 9
    assert {build(mask_kind=kind).stages[0].end for kind in KINDS} == {1}


def test_generator_has_its_own_rate_and_biases_and_norms_do_not_decay():
    variant = build(lr=1e-3, mask_lr_mult=7.0, weight_decay=0.1)
    groups = variant.parameter_groups()
    settings = {id(param): (group["lr"], group["weight_decay"]) for group in groups for param in group["params"]}
    for name, module in variant.modules().items():
        for key, parameter in module.named_parameters():
            lr, decay = settings.pop(id(parameter))
            assert lr == pytest.approx(7e-3 if name == "generator" else 1e-3), key
            assert decay == (0.0 if parameter.ndim == 1 else 0.1), key
    assert not settings
    assert len(groups) == 4


@pytest.mark.filterwarnings("error::FutureWarning", "error::DeprecationWarning")
def test_bf16_epoch_uses_no_deprecated_interface():
    loop = Loop(build(precision="bf16"), OBJECTIVE)
    report = loop.run_epoch()
    assert np.isfinite(report["train/total"])
    assert all(parameter.dtype == torch.float32 for parameter in loop.variant.generator.parameters())


def test_defaults_are_the_published_command():
    config = Config()
    assert (config.epochs, config.batch_size, config.lr, config.image_size) == (20, 24, 1e-4, 224)
    assert (config.alpha, config.beta, config.gamma, config.delta) == (1.0, 0.5, 5e-3, 5e-4)
    assert (config.keep_ratio, config.volume_lambda) == (0.1, 5.0)
    assert (config.temperature, config.temperature_min) == (0.7, 0.2)
