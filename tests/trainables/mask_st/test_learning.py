"""That the mask finds what the classifier looks for, and that with the published defect it does not."""

from __future__ import annotations

import torch

from trainables.mask_st import sampling
from trainables.mask_st.sampling import Mask
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.training.loop import Loop


def defective_sample(logits, noise, temperature, *, hard, top_k):
    soft = torch.sigmoid((logits + noise) / temperature)
    binary = sampling.binarise(logits.detach() + noise, top_k)
    return Mask(binary + (soft - binary).detach(), soft)


def pointing_over_chance() -> float:
    """Train for 128 steps: 4 epochs of 384 images, 12 at a time; return the pointing game over its chance."""
    entry = load("mask_st")
    config = entry.Config(image_size=64, backbone="micro", batch_size=12, epochs=4, lr=6e-3, mask_lr_mult=2.0)
    variant = entry.build(config, entry.Data(train_size=384, val_size=128), seed=0, splits=("train", "val"))
    loop = Loop(variant, Objective((Goal("val/auroc_macro"),)))
    report = [loop.run_epoch() for _ in range(4)][-1]
    return report["val/pointing_game"] / report["val/pointing_chance"]


def test_masks_find_the_glyphs_and_with_inverted_straight_through_they_do_not(monkeypatch):
    """Measured with seeds 0 to 3: 7.5, 7.2, 4.3 and 7.5 times chance, and 0.1, 0.0, 0.5 and 0.2 with the defect.

    After 96 steps one seed of four has not learnt yet. No more steps than these: without the task's gradient the area
    terms and luck decide where a map peaks, in time on some bright glyphs (2.5 against 8.0 after 288 steps).
    """
    assert pointing_over_chance() > 3
    monkeypatch.setattr(sampling, "sample", defective_sample)
    assert pointing_over_chance() < 1.5
