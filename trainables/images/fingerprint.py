"""A fingerprint of a split's data, for the record: where it differs, two results are of different data.

Where it is equal, the data are equal up to 2,000 images. Beyond, number and truth cover all images, but the pixels of
images outside the sample are not read, so a change in them alone is not noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

SAMPLE_SIZE = 2000


def fingerprint(pixels: np.ndarray, rows: np.ndarray, truth: Sequence[Any]) -> str:
    """Compute sixteen hexadecimal digits.

    Args:
        pixels: `[M, …]`, as they go into training.
        rows: `[N]`, the split's rows of `pixels`; up to 2,000 of them, evenly spaced, are read.
        truth: names, labels, boxes and the like of all rows, as JSON can hold them.
    """
    digest = hashlib.sha256(json.dumps([len(rows), list(truth)]).encode())
    for index in np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE_SIZE)).astype(int):
        digest.update(np.ascontiguousarray(pixels[rows[index]]).tobytes())
    return digest.hexdigest()[:16]
