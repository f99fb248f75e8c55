"""What splits of several variants have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from trainables.images.image_set import ImageSet
from trainables.settings import UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class Boxed(ImageSet):
    PER_EXAMPLE_FIELDS = (*ImageSet.PER_EXAMPLE_FIELDS, "boxes", "extra")

    boxes: list[np.ndarray]
    extra: np.ndarray | None = None


def made(**values: Any) -> Boxed:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    given = {
        "images": pixels,
        "rows": np.array([5, 0, 3]),
        "labels": np.array([1, 0, 1]),
        "classes": ("a", "b"),
        "names": ["x", "y", "z"],
        "boxes": [np.full(2, place) for place in range(3)],
    }
    return Boxed(**{**given, **values})


def test_examples_are_the_rows_of_the_images_that_they_name():
    images, labels = made().batch([2, 0])
    np.testing.assert_array_equal(images, made().images[[3, 5]])
    assert labels.tolist() == [1, 1]
    assert len(made()) == 3


def test_only_takes_of_every_field_what_belongs_to_the_examples():
    found = made(extra=np.array([7, 8, 9])).select(np.array([True, False, True]))
    assert isinstance(found, Boxed)
    assert (found.rows.tolist(), found.labels.tolist(), found.names) == ([5, 3], [1, 1], ["x", "z"])
    assert [box.tolist() for box in found.boxes] == [[0, 0], [2, 2]]
    assert found.extra is not None
    assert found.extra.tolist() == [7, 9]
    assert found.classes == ("a", "b")
    assert found.images is not None
    assert made().select(np.array([True, False, True])).extra is None


def test_arrays_are_read_only_in_lists_too():
    found = made()
    for array in (found.images, found.rows, found.labels, *found.boxes):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_mean_and_deviation_are_of_the_examples_alone_and_other_splits_have_training_s():
    train = made().standardise()
    own = train.images[train.rows] / 255
    assert train.mean == pytest.approx(own.mean(), rel=1e-6)
    assert train.std == pytest.approx(own.std(), rel=1e-6)
    other = made(images=np.zeros((6, 4, 4, 1), np.uint8)).standardise_with(train)
    assert (other.mean, other.std) == (train.mean, train.std)


@pytest.mark.parametrize("value", [0, 19, 102, 255])
def test_images_of_one_value_cannot_be_normalised(value):
    """The deviation of many equal floats is not 0."""
    flat = made(images=np.full((6, 64, 64, 1), value, np.uint8))
    with pytest.raises(UsageError, match=f"of the training images, x, y, z, are {value} of 255: give other ones"):
        flat.standardise()
