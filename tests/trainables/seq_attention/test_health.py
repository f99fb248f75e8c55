"""Health checks of seq_attention: each finding on a report that has it, none just beside it; the notes' own gauge."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trainables.seq_attention import health
from trainables.seq_attention.config import Config

PARTS = ("backbone", "neck", "glimpses", "location", "done")
GOOD = {
    "epoch": 3,
    "val/done_at_half": 0.8,
    "val/done_not_wanted": 0.05,
    "val/done_prevalence": 0.2,
    "val/done_ap": 0.7,
    "val/done_recall": 0.8,
    "val/rollout_endless": 0.1,
    "val/rollout_empty": 0.0,
    "val/rollout_duplicates": 0.1,
    "val/rollout_recall": 0.8,
    "val/prediction_spread": 0.9,
    "val/hit": 0.7,
    "val/hit_any": 0.8,
    "val/order_gap": 0.1,
    "health/grad_norm": 2.0,
    "health/clipped_share": 0.9,
    **{f"health/gradient_norm_{part}": 0.5 for part in PARTS},
    **{f"health/gradient_zeros_{part}": 0.4 for part in PARTS},
    **{f"health/update_ratio_{part}": 1e-3 for part in PARTS},
}


def list_findings(settings: Config | None = None, **changes: float) -> dict[str, str]:
    report = {**GOOD, **{key.replace("__", "/"): value for key, value in changes.items()}}
    return {finding.check: finding.message for finding in health.findings(report, settings or Config())}


SILENT = {"val__done_at_half": 0.0, "val__done_ap": 0.22, "val__done_recall": 1.0}  # a chosen threshold says yes to all


def test_a_good_report_has_no_finding():
    assert list_findings() == {}


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        (SILENT, "done never fires", ["0.0%", "0.220", "0.200", "10%", "p_done (0.25)", "done_weight (3)"]),
        ({"val__done_at_half": 0.04, "val__rollout_endless": 0.6}, "done never fires", ["4.0%", "60%"]),
        ({"val__done_at_half": 0.04, "val__done_recall": 0.05}, "done never fires", ["4.0%", "p_done"]),
        ({"val__done_not_wanted": 0.92}, "done always fires", ["92.0%", "p_done (0.25)", "hardness (0.5)"]),
        (
            {"val__rollout_empty": 0.6, "val__done_ap": 0.22, "val__done_at_half": 0.3},
            "done always fires",
            ["60%", "lower p_done"],
        ),
        ({"val__rollout_endless": 0.6}, "roll-outs do not end", ["0.700", "60%", "marker_jitter (0)", "80%"]),
        ({"val__prediction_spread": 0.09}, "predictions stuck", ["9.0%", "lr (0.001)", "done_weight (3)", "heatmap"]),
        ({"val__rollout_duplicates": 0.51}, "roll-out repeats itself", ["51%", "80%", "marker_jitter (0)"]),
        (
            {"val__order_gap": 0.21, "val__hit": 0.59},
            "order is ambiguous",
            ["80%", "59%", "reading", "nearest_unmarked"],
        ),
        ({"health__grad_norm": 101.0}, "gradients explode", ["101", "clip_norm (1)", "90%", "lr (0.001)"]),
        ({"health__update_ratio_neck": 0.12}, "gradients explode", ["neck by 12%", "lr (0.001)"]),
        ({"health__gradient_norm_done": 9e-8}, "gradients vanish", ["done (norm 9.0e-08, 40.0%", "done_weight (3)"]),
        (
            {"health__gradient_zeros_backbone": 0.99},
            "gradients vanish",
            ["backbone", "99.0%", "lr (0.001)", "tau (0.1)"],
        ),
        ({"health__gradient_norm_glimpses": 0.0}, "gradients vanish", ["glimpses", "0.0e+00", "glimpses=0"]),
    ],
)
def test_each_finding_names_its_figure_and_what_to_change(changes, check, words):
    findings = list_findings(**changes)
    assert list(findings) == [check]
    assert [word for word in words if word not in findings[check]] == []
    assert findings[check].endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {**SILENT, "val__done_at_half": 0.05},
        {**SILENT, "val__done_ap": 0.281},  # a tenth of the way from chance to 1 is 0.28
        {"val__done_at_half": 0.0, "val__rollout_endless": 0.5},
        {"val__done_at_half": 0.0, "val__done_recall": 0.1},
        {"val__done_recall": 0.0},
        {"val__done_not_wanted": 0.89},
        {"val__rollout_empty": 1.0},  # the signal tells questions apart: it is not to blame
        {"val__rollout_empty": 0.5, "val__done_ap": 0.22, "val__done_at_half": 0.3},
        {"val__prediction_spread": 0.1},
        {"val__rollout_duplicates": 0.5},
        {"val__order_gap": 0.2},
        {"health__grad_norm": 100.0},
        {"health__update_ratio_neck": 0.1},
        {"health__gradient_norm_done": 1e-7},
        {"health__gradient_zeros_backbone": 0.989},
    ],
)
def test_just_beside_its_bound_there_is_no_finding(changes):
    assert list_findings(**changes) == {}


def test_a_signal_that_is_low_but_ranks_well_and_ends_roll_outs_is_fine():
    assert list_findings(val__done_at_half=0.0, val__done_ap=0.9) == {}


def test_a_dead_signal_is_one_finding_even_if_the_threshold_ends_roll_outs_at_once():
    assert list(list_findings(**SILENT, val__rollout_empty=1.0)) == ["done never fires"]


@pytest.mark.parametrize("epoch", [1, 2])
def test_of_a_young_network_only_gradients_that_are_not_there_are_told(epoch):
    young = {**SILENT, "val__prediction_spread": 0.0, "health__grad_norm": 1e4, "val__order_gap": 0.5, "epoch": epoch}
    settings = Config(warmup_epochs=2.0)
    assert list_findings(settings, **young) == {}
    assert list(list_findings(settings, **young, health__gradient_norm_neck=0.0)) == ["gradients vanish"]
    assert len(list_findings(settings, **{**young, "epoch": 3})) == 4


@pytest.mark.parametrize("part", PARTS)
def test_only_a_backbone_or_a_location_without_gradient_ends_a_trial(part):
    report = {**GOOD, f"health/gradient_norm_{part}": 0.0}
    (finding,) = health.findings(report, Config())
    assert finding.fatal == (part in ("backbone", "location"))
    bad = {**GOOD, **{f"val/{key}": 0.0 for key in ("prediction_spread", "done_at_half", "done_recall", "hit")}}
    everything = {**bad, "val/rollout_duplicates": 1.0, "val/order_gap": 0.8, "health/grad_norm": 1e9}
    assert len(health.findings(everything, Config())) == 5
    assert not any(finding.fatal for finding in health.findings(everything, Config()))


def test_several_parts_without_gradient_are_one_finding_with_each_remedy_once():
    dead = {
        "health__gradient_norm_backbone": 0.0,
        "health__gradient_norm_neck": 0.0,
        "health__gradient_zeros_done": 1.0,
    }
    message = list_findings(**dead)["gradients vanish"]
    assert message.count("lower lr") == message.count("done_weight") == 1
    assert all(f"{part} (norm" in message for part in ("backbone", "neck", "done"))


def test_a_network_without_glimpses_has_no_figures_of_them():
    report = {key: value for key, value in GOOD.items() if not key.endswith("glimpses")}
    assert health.findings(report, Config()) == []


@pytest.mark.parametrize("clip_norm", [0.0, 0.1, 10.0])
def test_whether_gradients_explode_does_not_hang_on_what_they_are_clipped_to(clip_norm):
    settings = Config(clip_norm=clip_norm)
    assert list(list_findings(settings, health__grad_norm=1e4)) == ["gradients explode"]
    assert list_findings(settings, health__grad_norm=20.0, health__clipped_share=1.0) == {}


def test_the_order_does_not_matter_to_who_may_name_any_object():
    assert list_findings(Config(target="nearest_unmarked"), val__order_gap=0.6) == {}


@pytest.mark.parametrize(
    ("settings", "more", "less"),
    [
        ({"sampling": "separate"}, "sampling=mixed", "sampling=mixed"),
        ({"done_weight": 0.0}, "done_weight is 0", "done_weight is 0"),
        ({"done_balance": "natural"}, "done_balance=share", "done_balance=share"),
        ({"done_balance": "pos_weight"}, "raise pos_weight (10)", "lower pos_weight (10)"),
        ({"done_balance": "share"}, "raise p_done (0.25)", "lower p_done (0.25)"),
    ],
)
def test_the_remedy_of_the_done_signal_fits_how_it_is_trained(settings, more, less):
    assert more in list_findings(Config(**settings), **SILENT)["done never fires"]
    assert less in list_findings(Config(**settings), val__done_not_wanted=1.0)["done always fires"]


def gradient(width: int, steps: int) -> torch.Tensor:
    """Return the gradient of the published head, in one vector, after some steps of learning one of its features."""
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1))
    features = torch.randn(256, width)
    targets = 100 * features[:, :1] + 10
    optimizer = torch.optim.Adam(head.parameters(), lr=0.3 / width**0.5)
    for _ in range(steps + 1):
        optimizer.zero_grad()
        (1000 * nn.functional.mse_loss(head(features), targets)).backward()  # so that all norms are clipped
        last = torch.cat([parameter.grad.ravel().clone() for parameter in head.parameters()])
        optimizer.step()
    return last


def as_in_the_notes(gradients: torch.Tensor) -> float:
    """Sum the absolute values, once the norm is clipped to 1."""
    return float((gradients / max(1.0, float(gradients.norm()))).abs().sum())


def test_the_sum_after_clipping_tells_a_layers_width_and_nothing_of_its_training():
    first, later, wide = gradient(64, 0), gradient(64, 150), gradient(512, 0)
    assert first.norm() > 100 * later.norm() > 100  # training has come far, as the norm before clipping shows
    assert as_in_the_notes(first) / 2 < as_in_the_notes(later) < 2 * as_in_the_notes(first)
    assert as_in_the_notes(wide) > 5 * as_in_the_notes(first)  # for being eight times as wide
    for gradients in (first, later, wide):
        assert as_in_the_notes(gradients) <= math.sqrt(
            len(gradients)
        )  # 46 at a width of 64: it can never be "50 to 200, good"
