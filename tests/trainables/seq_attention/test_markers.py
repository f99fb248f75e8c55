"""What the network sees: markers where objects are marked, and nowhere else."""

import numpy as np
import pytest
import torch

from trainables.seq_attention.config import Config
from trainables.seq_attention.markers import CHANNELS, DEVIATION, MEAN, network_input, position_channels

SIDE = 64
RADIUS = 0.0625  # 4 pixels


def input_channels(marked, counts=None, **values) -> torch.Tensor:
    points = torch.tensor(marked, dtype=torch.float32).reshape(1, -1, 2)
    count = torch.tensor([points.shape[1] if counts is None else counts])
    config = Config(image_size=SIDE, marker_radius=RADIUS, **values)
    return network_input(torch.full((1, SIDE, SIDE, 3), 100, dtype=torch.uint8), points, count, config)[0]


def by_pixels(marked, shape) -> np.ndarray:
    """Draw the marker channel by a loop over pixels."""
    canvas = np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        for column in range(SIDE):
            away = [np.hypot((x + 1) * 32 - column - 0.5, (y + 1) * 32 - row - 0.5) for x, y in marked]
            canvas[row, column] = shape(min(away))
    return canvas


SHAPES = {
    "gaussian": lambda away: np.exp(-0.5 * (away / 4) ** 2),
    "disc": lambda away: np.clip(4.5 - away, 0, 1),
    "ring": lambda away: np.clip(0.5 + 1 - abs(away - 4), 0, 1),
}


@pytest.mark.parametrize("marker", list(SHAPES))
def test_every_marked_point_has_its_marker_and_the_last_one_has_it_twice(marker):
    marked = [(-0.5, 0.1), (0.3, 0.4), (0.35, 0.5)]
    channels = input_channels(marked, marker=marker).numpy()
    np.testing.assert_allclose(channels[3], by_pixels(marked, SHAPES[marker]), atol=1e-5)
    np.testing.assert_allclose(channels[4], by_pixels(marked[-1:], SHAPES[marker]), atol=1e-5)


def test_points_beyond_the_count_are_not_seen():
    marked = [(-0.5, 0.1), (0.3, 0.4), (0.9, 0.9)]
    assert torch.equal(input_channels(marked, counts=2), input_channels(marked[:2]))


def test_nothing_marked_is_the_image_alone():
    channels = input_channels([(0.0, 0.0)], counts=0)
    assert channels[3:5].abs().max() == 0
    for channel, (mean, deviation) in enumerate(zip(MEAN, DEVIATION, strict=True)):
        torch.testing.assert_close(channels[channel], torch.full((SIDE, SIDE), (100 / 255 - mean) / deviation))
    assert channels.shape == (CHANNELS, SIDE, SIDE)


def test_markers_are_drawn_over_the_image_as_opaque_as_asked():
    plain, over = input_channels([(0.0, 0.0)], counts=0), input_channels([(0.0, 0.0)], marker_alpha=0.3)
    shown = [channels[:3] * torch.tensor(DEVIATION)[:, None, None] + torch.tensor(MEAN)[:, None, None]
             for channels in (plain, over)]  # fmt: skip
    expected = 0.7 * shown[0][:, 32, 32] + 0.3 * torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(shown[1][:, 32, 32], expected)
    assert torch.equal(plain[:3, :8], over[:3, :8])  # far from the marker


def test_without_their_channel_markers_are_only_drawn_over_the_image():
    channels = input_channels([(0.0, 0.0)], marker_channel=False)
    assert channels[3:5].abs().max() == 0
    assert channels[:3, 32, 32].ne(input_channels([(0.0, 0.0)], counts=0)[:3, 32, 32]).any()


def test_positions_are_those_of_the_normalised_coordinates():
    x, y = position_channels(4, torch.device("cpu"))[0]
    assert x[2].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert y[:, 1].tolist() == [-0.75, -0.25, 0.25, 0.75]
