"""Ridge on thumbnails against torch's pooling and scikit-learn's classifier."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from torch.nn import functional as F

from trainables.images import pixel_ridge
from trainables.images.image_set import ImageSet
from trainables.settings import Notice


def images(count: int, size: int, channels: int, classes: int = 3, seed: int = 0) -> ImageSet:
    """Noise that is brighter on the left, in the middle or on the right, as the class says."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    pixels = rng.integers(0, 180, (count, size, size, channels))
    for image, label in zip(pixels, labels, strict=True):
        image[:, label * size // classes : (label + 1) * size // classes] += 12
    return ImageSet(
        names=[f"{index}" for index in range(count)],
        images=pixels.astype(np.uint8),
        rows=np.arange(count),
        labels=labels,
        classes=tuple("abc"[:classes]),
    )


@pytest.mark.parametrize(("size", "channels"), [(64, 1), (50, 3), (224, 1), (32, 1), (20, 1)])
def test_a_thumbnail_is_torch_s_average_pooling(size, channels):
    split = images(4, size, channels)
    pixels = torch.from_numpy(split.images.copy()).permute(0, 3, 1, 2).double() / 255
    expected = F.adaptive_avg_pool2d(pixels, 32).permute(0, 2, 3, 1).flatten(1).numpy()
    np.testing.assert_allclose(pixel_ridge.make_thumbnails(split, np.arange(4)), expected, atol=1e-12)


def test_its_classes_are_those_of_scikit_learn_s_ridge_classifier():
    train, split = images(90, 48, 1), images(60, 48, 1, seed=1)
    targets = 2.0 * (train.labels[:, None] == np.arange(3)) - 1
    scores = pixel_ridge.predict_scores(train, targets, split, own_penalties=False)
    thumbnails = [pixel_ridge.make_thumbnails(part, np.arange(len(part))) for part in (train, split)]
    classifier = RidgeClassifierCV(np.geomspace(1e-1, 1e5, 13)).fit(thumbnails[0], train.labels)
    np.testing.assert_allclose(scores, classifier.decision_function(thumbnails[1]), atol=1e-6)
    assert (scores.argmax(axis=1) == split.labels).mean() > 0.6


def test_a_single_column_and_more_images_than_it_is_fitted_to_are_told(monkeypatch):
    monkeypatch.setattr(pixel_ridge, "MAX_EXAMPLES", 40)
    train, split = images(90, 32, 1, classes=2), images(10, 32, 1, classes=2, seed=1)
    with pytest.warns(Notice, match="fitted to 40 of 90 training images"):
        scores = pixel_ridge.predict_scores(train, train.labels[:, None], split, own_penalties=True)
    assert scores.shape == (10, 1)
