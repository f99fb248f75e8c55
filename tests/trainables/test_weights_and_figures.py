"""What stands beside a weights file are the figures of these weights, in all variants and with several goals."""

import json

import pytest

from tests.support import tiny_gaze, tiny_masks, tiny_micrographs, tiny_noise, tiny_scenes
from trainables.export.folder import CARD, read_report, write_export
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, METRICS, RESULT, WEIGHTS, read_lines
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.training.weights import load_weights

BUILD = {
    "mask_st": lambda cache: tiny_masks.build(epochs=3),
    "noise_mask": lambda cache: tiny_noise.build(epochs=3, heat_share=0.34),
    "unet_selftrain": lambda cache: tiny_micrographs.build(epochs=3, iterations=1),
    "seq_attention": lambda cache: tiny_scenes.build(epochs=3),
    "entropy_reg": lambda cache: tiny_gaze.build(cache, epochs=3),
}
GOALS = {
    "mask_st": ("val/auroc_macro", "val/coverage"),
    "noise_mask": ("val/accuracy_balanced_maskfree", "val/nll_maskfree"),
    "unet_selftrain": ("val/particle_ap", "val/f1"),
    "seq_attention": ("val/f1", "val/count_error"),
    "entropy_reg": ("val/information_gain_bits", "val/bias_information_bits"),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", BUILD)
def test_header_metrics_card_and_the_model_itself_have_the_figures_of_the_weights(name, count, tmp_path):
    variant, rebuilt = BUILD[name](tmp_path / "cache"), BUILD[name](tmp_path / "cache")
    first = Loop(BUILD[name](tmp_path / "cache"), Objective((Goal("time/total_s"),))).run_epoch()
    metrics = [metric for metric in GOALS[name] if metric in first] or [key for key in first if key.startswith("val/")]
    goals = Objective(tuple(Goal(metric, "min") for metric in metrics[:count]))  # so that an early epoch may be best
    folder = TrainingFolder(tmp_path / "trial", Loop(variant, goals), {})
    while not folder.loop.finished:
        folder.run_epoch()
    folder.close()

    lines = read_lines(tmp_path / "trial" / RESULT)
    report = lines[-1] if len(goals.goals) > 1 else goals.standing_report(lines)
    assert read_report(tmp_path / "trial" / BEST_WEIGHTS) == report
    load_weights(tmp_path / "trial" / BEST_WEIGHTS, rebuilt)
    for key, value in rebuilt.evaluate("val").items():
        assert value == pytest.approx(report[key if key.startswith("health/") else f"val/{key}"], rel=1e-5, nan_ok=True)

    entry = load(name)
    recipe = Recipe(entry, variant.config, entry.Data(), goals, seed=0)
    write_export(tmp_path / "out", recipe, tmp_path / "trial" / BEST_WEIGHTS, {}, variant.describe(), "For a test.")
    assert json.loads((tmp_path / "out" / METRICS).read_text())["report"] == report
    assert read_report(tmp_path / "out" / WEIGHTS) == report
    card = (tmp_path / "out" / CARD).read_text()
    assert f"Weights of epoch {report['epoch']} of 3" in card
    for metric in metrics[:count]:
        assert f"| {metric} | {report[metric]:.4g} |" in card
