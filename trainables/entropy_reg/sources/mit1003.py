"""MIT1003 as published: `ALLSTIMULI/*.jpeg`, and `DATA/SUBJECT/STIMULUS.mat` with the gaze of a subject on an image.

A file holds one struct. Its `DATA(1).eyeData` has a row for each sample, 240 a second for three seconds, of which the
first two numbers are x and y in pixels of the image, counted from 0: the experiment has already taken off the image's
place on the screen. Negative numbers are blinks, or gaze beside an image that does not fill the screen.

Fixations are found as in the data set's own `checkFixations.m`: a saccade begins where speed rises, and ends where it
has fallen. What is done with them is not from that file: a fixation outside the image is left out of the scanpath, for
nothing tells it from a blink; and where it is the first one, the image's middle takes its place, since subjects looked
there when the image came. Drifts, durations and flags are not computed.

Source: Judd, Ehinger, Durand and Torralba 2009, Learning to predict where humans look, and the code beside its data.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import io
from tqdm import tqdm

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.scanpaths import Listed
from trainables.images.squares import PILLOW_ERRORS
from trainables.settings import UsageError, abbreviate

_STIMULI, _DATA = "ALLSTIMULI", "DATA"
_RATE = 240  # samples per second
_WINDOW = 4  # samples
_THRESHOLD = 6 * 34  # of the change of speed, in pixels per second: 6 degrees of 34 pixels
_RUN = 3  # samples over the threshold that make a saccade
_BRAKING = 25  # samples in which a saccade's speed must fall again
_SHORTEST = 12  # samples: a fixation of 50 ms or less is part of a saccade
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    NotImplementedError,
    EOFError,
    KeyError,
    IndexError,
    struct.error,
    zlib.error,
)


def listed(data: Data) -> list[Listed]:
    """The images of `data.root`, by name, each with one scanpath per subject; of each only the header is read.

    The first fixation of a scanpath is the one on the cross in the middle, from before the image came. Images that no
    subject has fixated are left out.

    Raises:
        UsageError: folders or files are missing or broken, or gaze is of an image that is not there.
    """
    root = data.folder
    files = {file.stem: file for file in sorted((root / _STIMULI).glob("*.jpeg")) if not file.name.startswith(".")}
    if not files:
        raise UsageError(
            f"{root / _STIMULI} has no images, *.jpeg: data.root is the folder that holds it and {_DATA}/."
        )
    subjects = _subjects(root / _DATA, set(files))
    found = []
    for stem, file in tqdm(files.items(), desc="finding fixations", unit="image", delay=1):
        size = _size(file)
        paths = [_scanpath(fixated(_gaze(subject / f"{stem}.mat")), size) for subject in subjects]
        if kept := tuple(path for path in paths if len(path)):
            found.append(Listed(file.name, file, None, kept))
    return found


def fixated(gaze: np.ndarray) -> np.ndarray:
    """Where the eye rested, float64 `[n, 2]`, of gaze `[samples, 2]` in pixels at 240 samples per second.

    A fixation is the median of its samples. Samples that are not numbers belong to no median; a fixation of them alone
    is not a number. Gaze without a saccade is one fixation.

    Source: `checkFixations.m` of MIT1003, its acceleration criterion.
    """
    saccades = _saccades(_acceleration(gaze), len(gaze))
    starts = [0, *(end + 1 for _, end in saccades)]
    ends = [*(start for start, _ in saccades), len(gaze)]
    rests = [gaze[start:end] for start, end in zip(starts, ends, strict=True) if start < end]
    return np.array([_median(each) for each in rests], np.float64).reshape(-1, 2)


def _subjects(folder: Path, stems: set[str]) -> list[Path]:
    """The subjects' folders, once each is known to have gaze on every image and on no other."""
    subjects = sorted(each for each in folder.glob("*") if each.is_dir() and not each.name.startswith("."))
    if not subjects:
        raise UsageError(f"{folder} has no folders, one for each subject: put the contents of DATA.zip there.")
    for subject in subjects:
        recorded = {file.stem for file in subject.glob("*.mat") if not file.name.startswith(".")}
        if strays := sorted(recorded - stems):
            raise UsageError(
                f"{subject} has gaze on {abbreviate(strays)}, which {_STIMULI}/ does not hold as .jpeg: add the images, or "
                "take the .mat files out."
            )
        if lacking := sorted(stems - recorded):
            raise UsageError(
                f"{subject} lacks the .mat of {abbreviate(lacking)}: unpack DATA.zip anew, or take the images out."
            )
    return subjects


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height; None where they cannot be read, of which those who decode the image will tell."""
    try:
        with Image.open(file) as image:
            return image.size
    except PILLOW_ERRORS:
        return None


def _gaze(file: Path) -> np.ndarray:
    """float64 `[samples, 2]`, x and y; not a number where the tracker lost the eye."""
    try:
        content = io.loadmat(file)
        (name,) = (each for each in content if not each.startswith("__"))
        gaze = np.asarray(_first(_first(content[name], "DATA"), "eyeData"), np.float64)
    except (*_BROKEN, io.matlab.MatReadError) as error:
        raise UsageError(f"{file} holds no struct with DATA.eyeData ({type(error).__name__}): get it anew.") from error
    if gaze.ndim != 2 or gaze.shape[1] < 2 or np.isinf(gaze).any():
        raise UsageError(
            f"{file} has no rows of x, y in DATA.eyeData, but {gaze.shape}, or infinite ones: get it anew."
        )
    return gaze[:, :2]


def _first(array: Any, field: str) -> Any:
    """A field of the first struct in an array of structs."""
    return array[field].flat[0]


def _scanpath(points: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """The fixations inside the image, float32 `[n, 2]`; the middle in place of a first one that is outside.

    Source: https://github.com/matthias-k/pysaliency, MIT1003 with initial fixation; an edge is outside there too.
    """
    if size is None:
        return points[np.isfinite(points).all(axis=1)].astype(np.float32)
    inside = np.all((points > 0) & (points < np.array(size)), axis=1)
    if not inside.any():
        return np.empty((0, 2), np.float32)
    first = points[:1] if inside[0] else np.array([size]) / 2
    return np.concatenate([first, points[1:][inside[1:]]]).astype(np.float32)


def _acceleration(gaze: np.ndarray) -> np.ndarray:
    """How much the speed rises within five samples, in pixels per second; 0 at both ends.

    The published sums of five smoothed steps, one sample apart, differ by their outer steps alone.
    """
    steps = np.concatenate([[0.0], np.hypot(*np.diff(gaze, axis=0).T)])
    smooth = np.convolve(steps, np.full(_WINDOW, 1 / _WINDOW))[: len(gaze)]
    rise = np.zeros(len(gaze))
    ahead = _WINDOW + 1
    rise[1:-ahead] = (smooth[ahead + 1 :] - smooth[1:-ahead]) * (_RATE / _WINDOW)
    return rise


def _saccades(rise: np.ndarray, samples: int) -> list[tuple[int, int]]:
    """First and last sample of each saccade; what lies between two is a fixation."""
    found = []
    runs = _runs(rise > _THRESHOLD)
    for start, stop in runs:
        end = _end(rise, stop)
        if end is None and len(runs) == 1 and stop == np.flatnonzero(rise)[-1]:
            end = samples - 1  # the recording ended before the eye came to rest
        if end is not None:
            found.append((start, end))
    merged: list[tuple[int, int]] = []
    for start, end in found:
        too_short = merged and start - merged[-1][1] <= _SHORTEST
        merged.append((merged.pop()[0] if too_short else start, end))
    if merged and samples - 1 - merged[-1][1] <= _SHORTEST:
        merged[-1] = (merged[-1][0], samples - 1)
    return merged


def _runs(over: np.ndarray) -> list[tuple[int, int]]:
    """First and last sample of each run that is long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8))).reshape(-1, 2)
    return [(int(first), int(after) - 1) for first, after in edges if after - first >= _RUN]


def _end(rise: np.ndarray, stop: int) -> int | None:
    """The last sample of the next fall of speed, which must come soon."""
    falls: np.ndarray = rise[stop + 1 : stop + 2 + _BRAKING] < -_THRESHOLD
    ends = np.flatnonzero(falls[:-1] & ~falls[1:])
    return stop + 1 + int(ends[0]) if len(ends) else None


def _median(samples: np.ndarray) -> list[float]:
    """Of x and of y, each of the samples that are numbers."""
    return [float(np.median(each)) if len(each) else np.nan for each in (one[~np.isnan(one)] for one in samples.T)]
