"""Maps of logits against loops in NumPy, and what a mean and a peak say of one mode, of two and at a border."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainables.seq_attention import heatmap

HEIGHT, WIDTH = 12, 16
EXTENT = torch.tensor([[1.0, 1.0], [0.6, 1.0], [1.0, 0.31], [0.01, 1.0]])
CPU = torch.device("cpu")


def draw_logits(seed: int = 0, count: int = 4) -> torch.Tensor:
    return torch.randn(count, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


def cell_centre(index: int, count: int) -> float:
    return -1 + (2 * index + 1) / count


def gaussian(column: float, row: float, deviation: float = 1.0) -> torch.Tensor:
    """Draw logits `[1, h, w]` of a Gaussian around a point in cells; 0 is the centre of the first one."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) - row, torch.arange(WIDTH) - column, indexing="ij")
    return -(x**2 + y**2)[None] / (2 * deviation**2)


def to_cells(points: torch.Tensor) -> list[float]:
    """Convert a normalised point `[1, 2]` to column and row."""
    return ((points[0] + 1) / 2 * torch.tensor([WIDTH, HEIGHT]) - 0.5).tolist()


def softmax_by_loop(logits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Compute the probabilities of one map."""
    result = np.zeros_like(logits)
    highest = max(logits[i, j] for i, j in np.argwhere(inside))
    for i, j in np.argwhere(inside):
        result[i, j] = math.exp(logits[i, j] - highest)
    return result / result.sum()


def test_cells_are_the_centres_of_equal_parts_of_the_square():
    x, y = heatmap.cell_centres(HEIGHT, WIDTH, CPU)
    assert x.tolist() == pytest.approx([cell_centre(index, WIDTH) for index in range(WIDTH)])
    assert y.tolist() == pytest.approx([cell_centre(index, HEIGHT) for index in range(HEIGHT)])


def test_inside_are_the_cells_whose_centre_is_in_the_image_and_one_at_least():
    result = heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    for mask, (across, down) in zip(result, EXTENT.tolist(), strict=True):
        for i in range(HEIGHT):
            for j in range(WIDTH):
                in_x = (j + 0.5) / WIDTH < across or j == 0
                assert mask[i, j].item() == (in_x and ((i + 0.5) / HEIGHT < down or i == 0))
    assert result.any(dim=(1, 2)).all()


def test_probabilities_and_mean_are_those_of_a_loop_and_the_padding_has_none():
    logits, inside = draw_logits().requires_grad_(), heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    result = heatmap.log_probabilities(logits, inside).exp()
    means = heatmap.mean(logits, inside)
    assert not result[~inside].any()
    for row in range(4):
        point_target = softmax_by_loop(logits[row].detach().double().numpy(), inside[row].numpy())
        np.testing.assert_allclose(result[row].detach().numpy(), point_target, atol=1e-6)
        x = sum(point_target[i, j] * cell_centre(j, WIDTH) for i in range(HEIGHT) for j in range(WIDTH))
        y = sum(point_target[i, j] * cell_centre(i, HEIGHT) for i in range(HEIGHT) for j in range(WIDTH))
        assert means[row].tolist() == pytest.approx([x, y], abs=1e-5)
    means.square().sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[~inside].any()


@pytest.mark.parametrize("reach", [1, 3])
def test_the_peak_is_the_mean_of_a_window_that_no_border_cuts_on_one_side_alone(reach):
    inside = heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    for seed in range(20):
        logits = draw_logits(seed)
        peaks = heatmap.peak(logits, inside, reach)
        for row in range(4):
            probabilities = softmax_by_loop(logits[row].double().numpy(), inside[row].numpy())
            i, j = np.unravel_index(probabilities.argmax(), probabilities.shape)
            rows, columns = np.flatnonzero(inside[row].any(1)), np.flatnonzero(inside[row].any(0))
            down, across = min(reach, i, rows[-1] - i), min(reach, j, columns[-1] - j)
            window = [(a, b) for a in range(i - down, i + down + 1) for b in range(j - across, j + across + 1)]
            total = sum(probabilities[cell] for cell in window)
            x = sum(probabilities[a, b] * cell_centre(b, WIDTH) for a, b in window) / total
            y = sum(probabilities[a, b] * cell_centre(a, HEIGHT) for a, b in window) / total
            assert peaks[row].tolist() == pytest.approx([x, y], abs=1e-5)


@pytest.mark.parametrize("step", range(8))
def test_the_peak_of_a_map_as_it_is_taught_is_the_truth_and_near_borders_close_to_it(step):
    for index in range(HEIGHT):
        truth = index + (step - 4) / 8 + 0.01  # 0.01: never half-way between two cells
        for column, row in [(truth, 5.3), (7.2, truth)]:
            result = to_cells(heatmap.peak(gaussian(column, row), None))
            last = (WIDTH if column == truth else HEIGHT) - 1
            margin = min(round(truth), last - round(truth))
            off = max(abs(result[0] - column), abs(result[1] - row))
            assert off < {0: 0.5, 1: 0.25}.get(margin, 0.1)


def test_the_border_of_the_image_counts_and_not_that_of_the_padding():
    inside = heatmap.inside_mask(torch.tensor([[0.5, 1.0]]), HEIGHT, WIDTH)  # columns 0 to 7
    cut = gaussian(7.0, 5.0)
    assert to_cells(heatmap.peak(cut, inside)) == pytest.approx([7, 5], abs=1e-3)
    assert to_cells(heatmap.peak(gaussian(12.0, 5.0), inside))[0] <= 7.001


def test_of_two_equal_modes_the_mean_is_neither_and_the_peak_is_one():
    two = torch.logaddexp(gaussian(3, 4), gaussian(12, 4))
    assert to_cells(heatmap.mean(two * 4, None)) == pytest.approx([7.5, 4], abs=0.05)
    assert to_cells(heatmap.peak(two * 4, None)) == pytest.approx([3, 4], abs=0.05)


def test_a_batch_says_what_its_maps_say_alone():
    logits, inside = draw_logits(3), heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    for say in (heatmap.mean, heatmap.peak):
        alone = [say(logits[row : row + 1], inside[row : row + 1]) for row in range(4)]
        torch.testing.assert_close(say(logits, inside), torch.cat(alone))


def test_cross_entropy_is_that_of_a_loop():
    logits, inside = draw_logits(1), heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    point_target = torch.tensor([[0.3, -0.2], [-0.9, 0.9], [0.0, -0.99], [-1.0, 0.0]])
    result = heatmap.cross_entropy(logits, inside, point_target)
    for row, (x, y) in enumerate(point_target.tolist()):
        column, line = (x + 1) / 2 * WIDTH - 0.5, (y + 1) / 2 * HEIGHT - 0.5
        target = softmax_by_loop(gaussian(column, line)[0].double().numpy(), inside[row].numpy())
        probabilities = softmax_by_loop(logits[row].double().numpy(), inside[row].numpy())
        total = -sum(target[i, j] * math.log(probabilities[i, j]) for i, j in np.argwhere(inside[row].numpy()))
        assert result[row].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("point_target", [[0.3, -0.2], [-1.0, -1.0], [0.19, 0.5]])
def test_cross_entropy_is_lowest_at_its_own_target(point_target):
    inside = heatmap.inside_mask(torch.tensor([[0.6, 1.0]]), HEIGHT, WIDTH)
    point = torch.tensor([point_target])
    logits = gaussian(*to_cells(point)).requires_grad_()
    lowest = heatmap.cross_entropy(logits, inside, point)
    assert torch.autograd.grad(lowest.sum(), logits)[0].abs().max() < 1e-6
    for seed in range(5):
        assert heatmap.cross_entropy(logits + 0.1 * draw_logits(seed, 1), inside, point) > lowest


def test_a_point_anywhere_gives_a_finite_loss_and_gradient():
    inside = heatmap.inside_mask(torch.tensor([[0.3, 1.0]]), HEIGHT, WIDTH).expand(4, -1, -1)
    logits = draw_logits(2).requires_grad_()
    loss = heatmap.cross_entropy(logits, inside, torch.tensor([[0.0, 0.0], [1.0, 1.0], [-40.0, 900.0], [5.0, 0.0]]))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    assert not logits.grad[~inside].any()


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_logits_have_finite_gradients(size):
    logits = (draw_logits(4).sign() * size).requires_grad_()
    inside = heatmap.inside_mask(EXTENT, HEIGHT, WIDTH)
    loss = heatmap.cross_entropy(logits, inside, torch.zeros(4, 2))
    (loss.sum() + heatmap.mean(logits, inside).sum() + heatmap.peak(logits, inside).sum()).backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()


def test_everything_is_in_float32_also_of_half_precision_logits_under_autocast():
    rough, inside, point_target = (
        draw_logits(5).bfloat16(),
        heatmap.inside_mask(EXTENT, HEIGHT, WIDTH),
        torch.full((4, 2), 0.123),
    )
    expected = [
        heatmap.mean(rough.float(), inside),
        heatmap.peak(rough.float(), inside),
        heatmap.cross_entropy(rough.float(), inside, point_target),
    ]
    with torch.autocast("cpu", torch.bfloat16):
        result = [
            heatmap.mean(rough, inside),
            heatmap.peak(rough, inside),
            heatmap.cross_entropy(rough, inside, point_target),
        ]
    for actual, reference in zip(result, expected, strict=True):
        assert actual.dtype == torch.float32
        assert torch.equal(actual, reference)
