"""Gaze of fixations and saccades, and files of it as in MIT1003."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

WIDTH, HEIGHT = 640, 480
MIDDLE = [320.0, 240.0]
POINTS = [[322.0, 238.0], [100.0, 90.0], [500.0, 400.0], [480.0, 60.0]]


def simulate_gaze(points=POINTS, samples=60, flight=6, noise=0.0, seed=0) -> np.ndarray:
    """Simulate gaze that rests at points and moves between them, fastest halfway."""
    way = np.linspace(0, 1, flight + 2)[1:-1, None]
    way = way**2 * (3 - 2 * way)
    parts = [np.repeat([points[0]], samples, axis=0)]
    for start, end in pairwise(points):
        parts += [np.array(start) + way * (np.array(end) - start), np.repeat([end], samples, axis=0)]
    gaze = np.concatenate(parts)
    return gaze + noise * np.random.default_rng(seed).normal(size=gaze.shape)


def write_gaze(root: Path, subject: str, stem: str, gaze, **fields) -> None:
    """Write a file as the experiment did: the variable is named after the image, as far as Matlab allows."""
    (root / "DATA" / subject).mkdir(parents=True, exist_ok=True)
    struct = {
        "subName": subject,
        "Nreps": 1,
        "imgName": f"{stem}.jpeg",
        "DATA": {"block": 1, "eyeData": gaze, **fields},
    }
    savemat(root / "DATA" / subject / f"{stem}.mat", {f"v{stem}"[:31]: struct})


def write_picture(root: Path, stem: str, size=(WIDTH, HEIGHT)) -> None:
    """Write a black image."""
    (root / "ALLSTIMULI").mkdir(exist_ok=True)
    Image.new("RGB", size).save(root / "ALLSTIMULI" / f"{stem}.jpeg")
