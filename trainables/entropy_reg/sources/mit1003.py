"""MIT1003 as published: `ALLSTIMULI/*.jpeg`, and `DATA/SUBJECT/STIMULUS.mat` with the gaze of a subject on an image.

A file holds one struct. Its `DATA(1).eyeData` has one row per sample, 240 per second for three seconds; the first two
columns are x and y in pixels of the image, counted from 0: the offset of the image on the screen is already subtracted.
Negative numbers are blinks, or gaze beside an image that does not fill the screen.

Fixations are detected as in the data set's own `checkFixations.m`: a saccade begins where the speed rises and ends
where it has fallen. Their use here is not from that file: a fixation outside the image is left out of the scanpath,
because it cannot be told from a blink; if it is the first one, it is replaced by the image's centre, where subjects
looked when the image appeared. Drifts, durations and flags are not computed.

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

from trainables.contract import Split
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.scanpaths import Recording
from trainables.entropy_reg.sources.recordings import load_recordings
from trainables.entropy_reg.split import Stimuli
from trainables.images.squares import PILLOW_ERRORS
from trainables.settings import UsageError, abbreviate

_STIMULI, _DATA = "ALLSTIMULI", "DATA"
_RATE = 240  # samples per second
_WINDOW = 4  # samples
_THRESHOLD = 6 * 34  # for the change of speed, in pixels per second: 6 degrees of 34 pixels each
_MIN_RUN = 3  # samples above the threshold that make a saccade
_MAX_DELAY = 25  # samples within which the speed of a saccade must fall again
_MAX_GAP = 12  # samples: a fixation of 50 ms or less is part of a saccade
_SCIPY_ERRORS = (
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


def load(config: Config, data: Data, split: Split) -> Stimuli:
    """Load the images of a split with their fixations.

    Raises:
        UsageError: as `list_images` and `load_recordings` do.
    """
    return load_recordings(list_images, config, data, split)


def list_images(data: Data) -> list[Recording]:
    """List the images of `data.root`, sorted by name, with one scanpath per subject; read only their headers.

    The first fixation of a scanpath is the one on the cross in the centre, from before the image appeared. Images that
    no subject has fixated are left out.

    Raises:
        UsageError: folders or files are missing or broken, or there is gaze on an image that is missing.
    """
    root = data.folder
    files = {file.stem: file for file in sorted((root / _STIMULI).glob("*.jpeg")) if not file.name.startswith(".")}
    if not files:
        raise UsageError(
            f"{root / _STIMULI} has no images, *.jpeg: data.root is the folder that holds it and {_DATA}/."
        )
    subjects = _list_subjects(root / _DATA, set(files))
    images = []
    for stem, file in tqdm(files.items(), desc="finding fixations", unit="image", delay=1):
        size = _read_size(file)
        fixations = (detect_fixations(_read_gaze(subject / f"{stem}.mat")) for subject in subjects)
        scanpaths = [_scanpath(points, size) for points in fixations]
        if not_empty := tuple(path for path in scanpaths if len(path)):
            images.append(Recording(file.name, file, None, not_empty))
    return images


def detect_fixations(gaze: np.ndarray) -> np.ndarray:
    """Detect the fixations in gaze at 240 samples per second.

    A fixation is the median of its samples without NaNs, and NaN if it has no others. Gaze without a saccade is one
    fixation.

    Args:
        gaze: float64 `[samples, 2]`, x and y in pixels.

    Returns:
        float64 `[n, 2]`.

    Source: the acceleration criterion of `checkFixations.m` of MIT1003.
    """
    saccades = _saccades(_acceleration(gaze), len(gaze))
    starts = [0, *(end + 1 for _, end in saccades)]
    ends = [*(start for start, _ in saccades), len(gaze)]
    segments = [gaze[start:end] for start, end in zip(starts, ends, strict=True) if start < end]
    return np.array([_median(samples) for samples in segments], np.float64).reshape(-1, 2)


def _list_subjects(folder: Path, stems: set[str]) -> list[Path]:
    """List the subjects' folders; see that each has gaze on every image and on no other."""
    subjects = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    if not subjects:
        raise UsageError(f"{folder} has no folders, one for each subject: put the contents of DATA.zip there.")
    for subject in subjects:
        recordings = {file.stem for file in subject.glob("*.mat") if not file.name.startswith(".")}
        if strays := sorted(recordings - stems):
            raise UsageError(
                f"{subject} has gaze on {abbreviate(strays)}, which {_STIMULI}/ does not hold as .jpeg: add the "
                "images, or take the .mat files out."
            )
        if lacking := sorted(stems - recordings):
            raise UsageError(
                f"{subject} lacks the .mat of {abbreviate(lacking)}: unpack DATA.zip again, or take the images out."
            )
    return subjects


def _read_size(file: Path) -> tuple[int, int] | None:
    """Read width and height; None where that fails, which is reported when the image is decoded."""
    try:
        with Image.open(file) as image:
            return image.size
    except PILLOW_ERRORS:
        return None


def _read_gaze(file: Path) -> np.ndarray:
    """Read gaze as float64 `[samples, 2]`, x and y; NaN where the tracker lost the eye."""
    try:
        content = io.loadmat(file)
        (variable,) = (name for name in content if not name.startswith("__"))
        gaze = np.asarray(_first_field(_first_field(content[variable], "DATA"), "eyeData"), np.float64)
    except (*_SCIPY_ERRORS, io.matlab.MatReadError) as error:
        raise UsageError(f"{file} holds no struct with DATA.eyeData ({type(error).__name__}): get it again.") from error
    if gaze.ndim != 2 or gaze.shape[1] < 2 or np.isinf(gaze).any():
        raise UsageError(
            f"{file} has no rows of x, y in DATA.eyeData, but {gaze.shape}, or infinite ones: get it again."
        )
    return gaze[:, :2]


def _first_field(array: Any, field: str) -> Any:
    """Return a field of the first struct in an array of structs."""
    return array[field].flat[0]


def _scanpath(points: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Keep the fixations inside the image, float32 `[n, 2]`; a first one that is outside becomes the centre.

    Source: https://github.com/matthias-k/pysaliency, MIT1003 with initial fixation; there, too, the edge is outside.
    """
    if size is None:
        return points[np.isfinite(points).all(axis=1)].astype(np.float32)
    inside = np.all((points > 0) & (points < np.array(size)), axis=1)
    if not inside.any():
        return np.empty((0, 2), np.float32)
    first = points[:1] if inside[0] else np.array([size]) / 2
    return np.concatenate([first, points[1:][inside[1:]]]).astype(np.float32)


def _acceleration(gaze: np.ndarray) -> np.ndarray:
    """Compute how much the speed rises within five samples, in pixels per second; 0 at both ends.

    The published code subtracts two sums of five smoothed steps, one sample apart; all but their outer steps cancel.
    """
    steps = np.concatenate([[0.0], np.hypot(*np.diff(gaze, axis=0).T)])
    smooth = np.convolve(steps, np.full(_WINDOW, 1 / _WINDOW))[: len(gaze)]
    rise = np.zeros(len(gaze))
    ahead = _WINDOW + 1
    rise[1:-ahead] = (smooth[ahead + 1 :] - smooth[1:-ahead]) * (_RATE / _WINDOW)
    return rise


def _saccades(rise: np.ndarray, samples: int) -> list[tuple[int, int]]:
    """Return the first and last sample of every saccade; between two saccades lies a fixation."""
    saccades = []
    runs = _runs(rise > _THRESHOLD)
    for start, stop in runs:
        end = _end_of_fall(rise, stop)
        if end is None and len(runs) == 1 and stop == np.flatnonzero(rise)[-1]:
            end = samples - 1  # the recording ended before the eye came to rest
        if end is not None:
            saccades.append((start, end))
    return _merge_saccades(saccades, samples)


def _merge_saccades(saccades: list[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    """Merge saccades, and the last one with the end of the recording, where the fixation between is too short."""
    result: list[tuple[int, int]] = []
    for start, end in saccades:
        too_short = result and start - result[-1][1] <= _MAX_GAP
        result.append((result.pop()[0] if too_short else start, end))
    if result and samples - 1 - result[-1][1] <= _MAX_GAP:
        result[-1] = (result[-1][0], samples - 1)
    return result


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last sample of every run that is long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))).reshape(-1, 2)
    return [(int(start), int(stop) - 1) for start, stop in edges if stop - start >= _MIN_RUN]


def _end_of_fall(rise: np.ndarray, stop: int) -> int | None:
    """Return the last sample of the fall of speed that ends a saccade; None if none follows soon after `stop`."""
    falls: np.ndarray = rise[stop + 1 : stop + 2 + _MAX_DELAY] < -_THRESHOLD
    ends = np.flatnonzero(falls[:-1] & ~falls[1:])
    return stop + 1 + int(ends[0]) if len(ends) else None


def _median(samples: np.ndarray) -> list[float]:
    """Compute the medians of x and of y without NaNs; NaN where there is nothing else."""
    columns = (column[~np.isnan(column)] for column in samples.T)
    return [float(np.median(column)) if len(column) else np.nan for column in columns]
