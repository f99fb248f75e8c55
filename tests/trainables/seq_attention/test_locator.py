"""A network that is asked sees what is marked, in its order, and answers in pixels of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.tiny_scenes import config
from trainables.seq_attention.locator import NetworkLocator
from trainables.seq_attention.model import Output

SIZES = np.array([[200, 100], [64, 128]])


class Fixed(nn.Module):
    """Says the same place of the square and a signal that grows with k, and keeps what it was shown."""

    def forward(self, images: Tensor, count: Tensor, extent: Tensor) -> Output:
        self.images, self.extent = images, extent
        assert not self.training
        return Output(torch.tensor([[0.5, -0.5]] * len(images)), count - 1.0, None, None)


@pytest.fixture
def run():
    net = Fixed()
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    locate = NetworkLocator(net, config(), lambda indices: pixels[list(indices)], SIZES, torch.device("cpu"))
    marks = [np.array([[20.0, 30.0], [150.0, 80.0], [100.0, 10.0]]), np.zeros((0, 2))]
    return net, marks, locate([0, 1], marks)


def test_every_marked_point_is_seen_and_the_last_one_as_the_last(run):
    net, marks, _ = run
    for channel, points in ((3, marks[0]), (4, marks[0][-1:])):
        seen = net.images[0, channel]
        for x, y in points * 64 / 200:
            assert seen[int(y), int(x)] > 0.9
        assert (seen > 0.5).sum() < 20 * len(points)
    assert not net.images[1, 3:5].any()


def test_answers_are_in_pixels_of_each_image_and_no_further_than_its_edge(run):
    _, _, answers = run
    assert answers.points.tolist() == [[150.0, 50.0], [64.0, 32.0]]  # 0.75 of the longer side is beyond a width of 64
    np.testing.assert_allclose(answers.done, 1 / (1 + np.exp([-2.0, 1.0])))


def test_the_network_is_told_how_much_of_the_square_is_image(run):
    assert run[0].extent.tolist() == [[1.0, 0.5], [0.5, 1.0]]
