"""Data sets that pysaliency has written: `stimuli.hdf5`, and `fixations.hdf5` or `scanpaths.hdf5`.

pysaliency itself is not needed. Stimuli are FileStimuli, whose file names are relative to `stimuli.hdf5` (absolute in
their first version), or Stimuli, arrays that are written once as PNG below `data.cache`. Fixations are
ScanpathFixations, Scanpaths, FixationTrains or Fixations, of any version. x and y are in pixels, x to the right and y
down.

The files do not say whether a data set has the first fixations, forced to the centre, so `data.first_fixation` must:
pysaliency's `get_mit1003` leaves them out, `get_mit1003_with_initial_fixation` has them.

Files of the type Fixations hold single fixations, each with its history, and often only some of them. They are joined
to the scanpaths that they come from. A fixation that occurs in histories alone was not selected and must not be scored.
Only the first fixation of a scanpath can be excluded from scoring, by `data.first_fixation=history`.

Source: https://github.com/matthias-k/pysaliency, files up to version 1.3 of fixations and 2.1 of stimuli.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from trainables.contract import Split
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.scanpaths import Recording
from trainables.entropy_reg.sources.hdf5 import check_row_counts, open_hdf5, pysaliency_type, read_array
from trainables.entropy_reg.sources.pysaliency_stimuli import list_stimuli, stimulus_files
from trainables.entropy_reg.sources.recordings import load_recordings
from trainables.entropy_reg.split import Stimuli
from trainables.settings import UsageError

_STIMULI, _FIXATIONS = "stimuli.hdf5", ("fixations.hdf5", "scanpaths.hdf5")
_PATHS = {
    "Scanpaths": ("xs", "ys", "n", "length"),
    "FixationTrains": ("train_xs", "train_ys", "train_ns", "train_lengths"),
}
_GROUPS = ("subject", "subjects", "scanpath_index")  # the same for all fixations of a scanpath; optional


def load(config: Config, data: Data, split: Split) -> Stimuli:
    """Load the images of a split with their fixations.

    Raises:
        UsageError: as `list_images` and `load_recordings` do.
    """
    return load_recordings(list_images, config, data, split)


def list_images(data: Data) -> list[Recording]:
    """List the images that have fixations, sorted by name, with their scanpaths in the order of the file; decode none.

    Arrays are named by the number of their stimulus. Images without fixations are left out.

    Raises:
        UsageError: files are missing, broken or contradict each other, an image is missing or occurs twice, or
            fixations cannot be joined to whole scanpaths.
    """
    root = data.folder
    with open_hdf5(_fixations_file(root)) as source:
        scanpaths = _read_scanpaths(source, data.first_is_history)
        filename = source.filename
    if not scanpaths:
        raise UsageError(f"{filename} has no fixations: write a data set with some.")
    if data.first_is_history and all(len(path) < 2 for _, path in scanpaths):
        raise UsageError(
            f"{filename} has one fixation in each scanpath, and none is scored: say data.first_fixation=scored."
        )
    paths: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    for number, path in scanpaths:
        paths[number].append(path.astype(np.float32))
    with open_hdf5(root / _STIMULI) as source:
        stimuli = list_stimuli(source)
        if strays := sorted(number for number in paths if not 0 <= number < len(stimuli)):
            raise UsageError(
                f"{filename} has fixations on stimulus {strays[0]}, but {_STIMULI} has {len(stimuli)}, counted from 0: "
                "give the two files of one data set."
            )
        files = stimulus_files(
            source, {number: stimuli[number] for number in sorted(paths)}, Path(data.cache).expanduser()
        )
    images = [Recording(stimuli[n].name, files[n], stimuli[n].size, tuple(paths[n])) for n in paths]
    return sorted(images, key=lambda image: image.name)


def _fixations_file(root: Path) -> Path:
    """Return the one file with fixations."""
    files = [root / name for name in _FIXATIONS if (root / name).is_file()]
    if len(files) != 1:
        quantity = "both" if files else "neither"
        raise UsageError(
            f"{root} has {quantity} of {' and '.join(_FIXATIONS)}: data.root holds one of them and {_STIMULI}."
        )
    return files[0]


def _read_scanpaths(source: Any, first_is_history: bool) -> list[tuple[int, np.ndarray]]:
    """Read every scanpath that has a fixation: number of its stimulus, and float64 `[n, 2]`."""
    kind = pysaliency_type(source)
    if kind == "Fixations":
        return _join_fixations(source, first_is_history)
    if kind == "ScanpathFixations":
        source, kind = source.get("scanpaths", source), "Scanpaths"
    if kind not in _PATHS:
        raise UsageError(
            f"{source.file.filename} holds '{kind}': give what pysaliency writes of ScanpathFixations, "
            f"{', '.join(_PATHS)} or Fixations."
        )
    x, y, n, length = _PATHS[kind]
    paths = _read_rows(source, x, y, length)
    numbers = read_array(source, n, 1, "iu").tolist()
    check_row_counts(source, {x: len(paths), n: len(numbers)})
    return [(number, path) for number, path in zip(numbers, paths, strict=True) if len(path)]


def _read_rows(source: Any, x_name: str, y_name: str, length_name: str) -> list[np.ndarray]:
    """Read the rows of two padded arrays, float64 `[n, 2]` each.

    A third array has their lengths; where it is missing, trailing NaNs are padding.
    """
    x, y = (read_array(source, name, 2).astype(np.float64) for name in (x_name, y_name))
    if x.shape != y.shape:
        raise UsageError(f"{source.file.filename} has '{x_name}' and '{y_name}' of different shapes: write it again.")
    columns = np.arange(x.shape[1])
    if length_name in source:
        lengths = read_array(source, length_name, 1, "iu").astype(np.int64)
        check_row_counts(source, {x_name: len(x), length_name: len(lengths)})
    else:
        lengths = np.where(np.isnan(x), 0, columns + 1).max(axis=1, initial=0)
    if (wrong := (lengths < 0) | (lengths > x.shape[1])).any():
        raise UsageError(
            f"{source.file.filename}, row {wrong.argmax()} of '{length_name}', is {lengths[wrong][0]}, but there are "
            f"{x.shape[1]} columns: write it again."
        )
    _check_finite(source, x_name, y_name, np.stack([x, y], axis=2), columns < lengths[:, None])
    return [np.stack([x[row, :length], y[row, :length]], axis=1) for row, length in enumerate(lengths)]


def _check_finite(source: Any, x_name: str, y_name: str, points: np.ndarray, mask: np.ndarray) -> None:
    """See that float32 can hold all points `[…, 2]` for which the mask is true."""
    with np.errstate(over="ignore"):
        wrong = mask & ~np.isfinite(points.astype(np.float32)).all(axis=-1)
    if wrong.any():
        row = np.argwhere(wrong)[0][0]
        raise UsageError(
            f"{source.file.filename} has a value that is no finite number in row {row} of '{x_name}' or '{y_name}': "
            "leave that scanpath out."
        )


def _join_fixations(source: Any, first_is_history: bool) -> list[tuple[int, np.ndarray]]:
    """Join single fixations to scanpaths, from the longest history to the shortest.

    A fixation belongs to a longer path that begins with its history and itself, and that has no fixation of its own
    there yet. Paths with the same beginning are equal up to there, so either may take it.
    """
    histories = _read_rows(source, "x_hist", "y_hist", "lengths")
    x, y = (read_array(source, name, 1).astype(np.float64) for name in ("x", "y"))
    kinds = {"n": "iu"} | {name: "iufSO" for name in _GROUPS if name in source}
    keys = [read_array(source, name, 1, dtypes).tolist() for name, dtypes in kinds.items()]
    check_row_counts(source, {"x_hist": len(histories), "x": len(x), "y": len(y), "n": min(map(len, keys))})
    points = np.stack([x, y], axis=1)
    _check_finite(source, "x", "y", points, np.ones(len(points), dtype=bool))
    paths: list[tuple[int, np.ndarray]] = []
    rows: list[int] = []
    incomplete: defaultdict[tuple[Any, bytes], list[int]] = defaultdict(list)  # paths without a fixation of their own
    for row in sorted(range(len(points)), key=lambda row: -len(histories[row])):
        path = np.concatenate([histories[row], points[row : row + 1]])
        group = tuple(values[row] for values in keys)
        if candidates := incomplete[group, path.tobytes()]:
            index = candidates.pop(0)
            rows[index] = row
        else:
            index = len(paths)
            paths.append((int(group[0]), path))
            rows.append(row)
        if len(path) > 1:
            incomplete[group, path[:-1].tobytes()].append(index)
    gaps = [len(beginning) // path[:1].nbytes for (_, beginning), indices in incomplete.items() if indices]
    _check_complete(source, gaps, first_is_history)
    return [paths[index] for index in np.argsort(rows)]


def _check_complete(source: Any, gaps: list[int], first_is_history: bool) -> None:
    """See that every fixation to be scored is in the file; `gaps` are the missing ones, by number from 1 in a path."""
    if all(number == 1 for number in gaps) and (first_is_history or not gaps):
        return
    remedy = "write whole scanpaths with pysaliency"
    if max(gaps) == 1:
        remedy = "say data.first_fixation=history, or " + remedy
    raise UsageError(
        f"{source.file.filename} has histories with fixations that are not among its own, such as fixation "
        f"{max(gaps)} of a scanpath, which must not be scored: {remedy}."
    )
