"""The losses against formulas written anew, and what is said of the published ones, measured."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from trainables.seq_attention import losses

HUBERS = ["huber_l1", "huber_axis", "huber_l2"]
FORMS = ["literal", *HUBERS, "l1", "mse"]
SIDE = 384


def points(seed: int, count: int = 64) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def loss_and_gradient(x: float, y: float, form: str, tau: float = 0.1) -> tuple[float, list[float]]:
    """Return loss and gradient of an error."""
    error = torch.tensor([[x, y]], dtype=torch.float32, requires_grad=True)
    value = losses.location_loss(error, torch.zeros(1, 2), form, tau).sum()
    return value.item(), torch.autograd.grad(value, error)[0][0].tolist()


def formula(form: str, x: float, y: float, tau: float) -> float:
    def huber(d: float) -> float:
        return d * d if d < tau else 2 * tau * d - tau * tau

    x, y = abs(x), abs(y)
    return {
        "literal": (x + y) ** 2 if x + y < tau else tau * (x + y) + tau * tau,
        "huber_l1": huber(x + y),
        "huber_axis": huber(x) + huber(y),
        "huber_l2": huber(math.hypot(x, y)),
        "l1": x + y,
        "mse": x * x + y * y,
    }[form]


@pytest.mark.parametrize("tau", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_its_formula(form, tau):
    predicted, target = points(0), points(1)
    expected = [formula(form, x, y, tau) for x, y in (predicted.double() - target.double()).tolist()]
    torch.testing.assert_close(losses.location_loss(predicted, target, form, tau), torch.tensor(expected))


@pytest.mark.parametrize(("tau", "jump"), [(0.3, 0.09), (0.1, 0.01)])
def test_the_published_form_jumps_by_tau_squared_where_its_slope_halves(tau, jump):
    (below, (slope, _)), (above, (slope_above, _)) = (
        loss_and_gradient(tau - 1e-5, 0, "literal", tau),
        loss_and_gradient(tau + 1e-5, 0, "literal", tau),
    )
    assert above - below == pytest.approx(jump, rel=1e-2)
    assert slope_above / slope == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("pixels", "wide", "narrow", "huber", "square"),
    [
        (10, 0.104, 0.104, 0.104, 0.104),
        (20, 0.208, 0.100, 0.200, 0.208),
        (30, 0.313, 0.100, 0.200, 0.313),
        (115, 0.300, 0.100, 0.200, 1.198),
    ],
)
def test_a_smaller_threshold_weakens_the_pull_that_it_was_meant_to_strengthen(pixels, wide, narrow, huber, square):
    error = 2 * pixels / SIDE
    gradients = [
        loss_and_gradient(error, 0, *form)[1][0]
        for form in [("literal", 0.3), ("literal", 0.1), ("huber_axis", 0.1), ("mse",)]
    ]
    assert gradients == pytest.approx([wide, narrow, huber, square], abs=6e-4)


@pytest.mark.parametrize("tau", [0.1, 0.3])
def test_the_published_form_has_the_gradient_of_the_published_code(tau):
    predicted, target = points(2).requires_grad_(), points(3)
    pred_x, pred_y = predicted.unbind(1)
    dist = torch.abs(pred_x - target[:, 0]) + torch.abs(pred_y - target[:, 1])
    published_loss = torch.where(dist < tau, dist**2, tau * dist + tau**2).mean()
    expected = torch.autograd.grad(published_loss, predicted)[0]
    ours = losses.location_loss(predicted, target, "literal", tau).mean()
    assert ours.item() == pytest.approx(published_loss.item())
    torch.testing.assert_close(torch.autograd.grad(ours, predicted)[0], expected)


def kink(form: str, tau: float, angle: float) -> tuple[float, float]:
    """Along a direction, the largest jump of the value between near points, and of the slope by differences."""
    unit = torch.tensor([[math.cos(angle), math.sin(angle)]])
    step = tau / 100
    along = torch.arange(20, 300)[:, None] * step * unit
    values = losses.location_loss(along, torch.zeros_like(along), form, tau)
    slopes = values.diff() / step
    return values.diff().abs().max().item(), slopes.diff().abs().max().item()


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.2, math.pi / 2, 2.5, 4.0, 5.5])
@pytest.mark.parametrize("tau", [0.1, 0.3])
def test_the_forms_of_huber_have_neither_jump_nor_kink_in_any_direction(tau, angle):
    smooth = 2 * 2 * tau / 100  # of a square: twice the step, and |x| + |y| grows with √2 of it, squared
    for form in HUBERS:
        jump, kinks = kink(form, tau, angle)
        assert jump <= 2.1 * math.sqrt(2) * tau * tau / 100
        assert kinks <= 1.1 * smooth
    jump, kinks = kink("literal", tau, angle)
    assert jump > 0.9 * tau**2
    assert kinks > 10 * smooth


def test_one_axis_is_pushed_by_the_other_ones_error_only_where_their_sum_is_squared():
    for form in ["literal", "huber_l1"]:
        small, large = (loss_and_gradient(1e-6, y, form)[1][0] for y in (0.01, 0.04))
        assert [small, large] == pytest.approx([0.02, 0.08], rel=1e-3)
        assert loss_and_gradient(-1e-6, 0.04, form)[1][0] == pytest.approx(-0.08, rel=1e-3)  # back and forth
    for form in ["huber_axis", "huber_l2", "mse"]:
        for y in (0.01, 0.04, 0.4):
            assert abs(loss_and_gradient(1e-6, y, form)[1][0]) <= 2e-6
            assert loss_and_gradient(0, y, form)[1][0] == 0


@pytest.mark.parametrize("form", FORMS)
def test_an_exact_prediction_has_no_loss_and_a_gradient_of_zero(form):
    assert loss_and_gradient(0, 0, form) == (0, [0, 0])


def test_images_that_are_done_give_no_gradient_to_the_location_and_the_published_ones_do():
    predicted, is_done = points(4, 4).requires_grad_(), torch.tensor([True, False, True, False])
    target = torch.where(is_done[:, None], 0.0, points(5, 4))  # of done, the centre of the image
    values = losses.location_loss(predicted, target, "huber_axis", 0.1)
    masked = torch.autograd.grad(losses.masked_mean(values, ~is_done, 2), predicted, retain_graph=True)[0]
    assert not masked[is_done].any()
    assert masked[~is_done].all()
    published_loss = torch.autograd.grad(values.mean(), predicted)[0]
    assert published_loss[is_done].all()
    torch.testing.assert_close(published_loss[~is_done] * 2, masked[~is_done])  # and it halves what the others say


def test_a_mean_of_none_is_zero_with_gradients_of_zero():
    values = torch.tensor([3.0, torch.inf], requires_grad=True)
    empty = losses.masked_mean(values, torch.zeros(2, dtype=torch.bool), 0)
    empty.backward()
    assert empty.item() == 0
    assert values.grad.tolist() == [0, 0]
    assert losses.masked_mean(values, torch.tensor([True, False]), 2).item() == 1.5


def test_the_nearest_free_candidate_is_chosen_without_a_gradient():
    predicted = points(6, 32).requires_grad_()
    candidates = points(7, 160).view(32, 5, 2)
    free = torch.rand(32, 5, generator=torch.Generator().manual_seed(8)) < 0.6
    free[0] = False
    nearest = losses.nearest_candidate(predicted, candidates, free)
    assert not nearest.requires_grad
    for row, (x, y) in enumerate(predicted.tolist()):
        candidates_left = [
            point for point, is_free in zip(candidates[row].tolist(), free[row].tolist(), strict=True) if is_free
        ]
        target = (
            min(candidates_left, key=lambda point: math.hypot(point[0] - x, point[1] - y))
            if candidates_left
            else [x, y]
        )
        assert nearest[row].tolist() == target


def test_without_any_candidate_the_point_is_finite_though_the_padding_is_not():
    nothing = losses.nearest_candidate(points(0, 2), torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.bool))
    padded = losses.nearest_candidate(
        points(0, 2), torch.full((2, 3, 2), torch.nan), torch.zeros(2, 3, dtype=torch.bool)
    )
    assert torch.equal(nothing, points(0, 2))
    assert torch.equal(padded, points(0, 2))


@pytest.mark.parametrize("pos_weight", [1.0, 7.0])
def test_the_done_loss_is_torchs(pos_weight):
    logits = torch.linspace(-30, 30, 40)
    is_done = torch.arange(40) % 3 == 0
    expected = F.binary_cross_entropy_with_logits(
        logits, is_done.float(), pos_weight=torch.tensor(pos_weight), reduction="none"
    )
    torch.testing.assert_close(losses.done_loss(logits, is_done, pos_weight), expected)


def best_probability(share: float, factor: float, pos_weight: float) -> float:
    """Find the probability of the lowest loss when a share of the images that look alike is done."""
    logits = torch.linspace(-6, 6, 24001)
    on, off = (
        losses.done_loss(logits, torch.full_like(logits, kind, dtype=torch.bool), pos_weight) for kind in (True, False)
    )
    total = factor * (share * on + (1 - share) * off)
    return logits[total.argmin()].sigmoid().item()


def test_the_published_factor_of_three_moves_no_probability_and_pos_weight_does():
    share = 1 / 22
    assert best_probability(share, 3, 1) == pytest.approx(share, abs=5e-3)
    assert best_probability(share, 1, 1) == pytest.approx(share, abs=5e-3)
    for weight in (3, 21):
        closed_form = weight * share / (weight * share + 1 - share)
        assert best_probability(share, 1, weight) == pytest.approx(closed_form, abs=5e-3)


def test_the_later_published_form_prefers_an_error_of_0_06_to_one_of_0_04():
    """Ten times the square below 0.05, the square to 0.1, 0.2·d + 0.01 beyond; none of ours does that."""

    def later(d: float) -> float:
        return 10 * d * d if d < 0.05 else d * d if d < 0.1 else 0.2 * d + 0.01

    assert later(0.06) < later(0.04)
    along = torch.linspace(0, 1, 2001)[:, None] * torch.tensor([[0.6, 0.8]])
    for form in FORMS:
        assert (losses.location_loss(along, torch.zeros_like(along), form, 0.1).diff() > 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_under_autocast_the_losses_are_those_of_float32(form):
    predicted, target = points(9), points(10)
    is_done = torch.arange(64) % 2 == 0

    def all_losses() -> torch.Tensor:
        location = losses.location_loss(predicted, target, form, 0.1)
        return torch.cat(
            [losses.masked_mean(location, ~is_done, 32)[None], losses.done_loss(predicted[:, 0], is_done, 3.0)]
        )

    expected = all_losses()
    with torch.autocast("cpu", torch.bfloat16):
        assert (predicted @ target.T).dtype == torch.bfloat16  # autocast is on
        assert torch.equal(all_losses(), expected)


def test_a_half_precision_prediction_is_compared_with_a_target_in_float32():
    """Two bf16 near 1 lie 0.004 apart, 0.75 pixels of 384: such a target is off by up to half of that."""
    predicted, target = torch.tensor([[1.0, 1.0]]).bfloat16(), torch.tensor([[0.9981, 0.9981]])
    loss = losses.location_loss(predicted, target, "l1", 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.0038, rel=1e-3)
    off = (target.bfloat16().float() - target).abs().max().item() * SIDE / 2
    assert 0.3 < off < 0.4
