"""A fingerprint of a split's data, for the record: where it differs, two results are of different data.

Where it is the same, the data are the same up to 2,000 images; above that almost certainly: size and truth are those
of all images, but pixels of the images that are not sampled are not read, and a change in them alone is not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

LOOKED_AT = 2000


def fingerprint(pixels: np.ndarray, rows: np.ndarray, truth: Sequence[Any]) -> str:
    """Sixteen hexadecimal digits.

    Args:
        pixels: `[M, …]`, as they go into training; of the split's `rows` `[N]`, up to 2,000 evenly spaced are read.
        truth: names, labels, boxes and the like of all rows, as JSON can hold them.
    """
    digest = hashlib.sha256(json.dumps([len(rows), list(truth)]).encode())
    for place in np.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).astype(int):
        digest.update(np.ascontiguousarray(pixels[rows[place]]).tobytes())
    return digest.hexdigest()[:16]
