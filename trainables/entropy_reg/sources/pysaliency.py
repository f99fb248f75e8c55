"""Data sets that pysaliency has written: `stimuli.hdf5`, and `fixations.hdf5` or `scanpaths.hdf5`; it is not needed.

Stimuli are FileStimuli, whose file names are relative to `stimuli.hdf5` (absolute in their first version), or Stimuli,
arrays that are written once as PNG below `data.cache`. Fixations are ScanpathFixations, Scanpaths, FixationTrains or
Fixations, of any version. x and y are pixels, x to the right and y down.

Whether a data set has the first fixations, forced to the centre, its files do not say, and `data.first_fixation` must:
pysaliency's `get_mit1003` leaves them out, `get_mit1003_with_initial_fixation` has them.

Fixations are single ones, each with those before it, and often a selection. They are put together to the scanpaths that
they come from. What is known from a history alone was not selected and must not be scored, which can be kept from
nothing but a scanpath's first fixation, by `data.first_fixation=history`.

Source: https://github.com/matthias-k/pysaliency, files up to version 1.3 of fixations and 2.1 of stimuli.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.scanpaths import Listed
from trainables.entropy_reg.sources.hdf5 import array, check_as_many, kind_of, opened
from trainables.entropy_reg.sources.pysaliency_stimuli import files_of, stimuli_of
from trainables.settings import UsageError

_STIMULI, _FIXATIONS = "stimuli.hdf5", ("fixations.hdf5", "scanpaths.hdf5")
_PATHS = {
    "Scanpaths": ("xs", "ys", "n", "length"),
    "FixationTrains": ("train_xs", "train_ys", "train_ns", "train_lengths"),
}
_GROUPS = ("subject", "subjects", "scanpath_index")  # what all fixations of a scanpath have in common, if given


def listed(data: Data) -> list[Listed]:
    """The images that have fixations, by name, each with its scanpaths in the order of the file; decodes no image.

    Arrays have the number of their stimulus for a name. Images without fixations are left out.

    Raises:
        UsageError: files are missing, broken or at odds, an image is not there or comes twice, or fixations make no
            whole scanpaths.
    """
    root = data.folder
    with opened(_fixations_file(root)) as source:
        recorded = _recorded(source, data.forced)
        where = source.filename
    if not recorded:
        raise UsageError(f"{where} has no fixations: write a data set with some.")
    if data.forced and all(len(path) < 2 for _, path in recorded):
        raise UsageError(
            f"{where} has one fixation in each scanpath, and none is scored: say data.first_fixation=scored."
        )
    paths: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    for number, path in recorded:
        paths[number].append(path.astype(np.float32))
    with opened(root / _STIMULI) as source:
        stimuli = stimuli_of(source)
        if strays := sorted(number for number in paths if not 0 <= number < len(stimuli)):
            raise UsageError(
                f"{where} has fixations on stimulus {strays[0]}, but {_STIMULI} has {len(stimuli)}, counted from 0: "
                "give the two files of one data set."
            )
        files = files_of(source, {number: stimuli[number] for number in sorted(paths)}, Path(data.cache).expanduser())
    found = [Listed(stimuli[each].name, files[each], stimuli[each].size, tuple(paths[each])) for each in paths]
    return sorted(found, key=lambda each: each.name)


def _fixations_file(root: Path) -> Path:
    found = [root / name for name in _FIXATIONS if (root / name).is_file()]
    if len(found) != 1:
        said = "both" if found else "neither"
        raise UsageError(
            f"{root} has {said} of {' and '.join(_FIXATIONS)}: data.root holds one of them and {_STIMULI}."
        )
    return found[0]


def _recorded(source: Any, forced: bool) -> list[tuple[int, np.ndarray]]:
    """Number of the stimulus, and float64 `[n, 2]`, of every scanpath that has a fixation."""
    kind = kind_of(source)
    if kind == "Fixations":
        return _joined(source, forced)
    if kind == "ScanpathFixations":
        source, kind = source.get("scanpaths", source), "Scanpaths"
    if kind not in _PATHS:
        raise UsageError(
            f"{source.file.filename} holds '{kind}': give what pysaliency writes of ScanpathFixations, "
            f"{', '.join(_PATHS)} or Fixations."
        )
    x, y, n, length = _PATHS[kind]
    paths = _rows(source, x, y, length)
    numbers = array(source, n, 1, "iu").tolist()
    check_as_many(source, {x: len(paths), n: len(numbers)})
    return [(number, path) for number, path in zip(numbers, paths, strict=True) if len(path)]


def _rows(source: Any, x_name: str, y_name: str, length_name: str) -> list[np.ndarray]:
    """Each float64 `[n, 2]`: the rows of two padded arrays, as long as a third says, or without their last NaNs."""
    x, y = (array(source, name, 2).astype(np.float64) for name in (x_name, y_name))
    if x.shape != y.shape:
        raise UsageError(f"{source.file.filename} has '{x_name}' and '{y_name}' of unlike shapes: write it anew.")
    columns = np.arange(x.shape[1])
    if length_name in source:
        lengths = array(source, length_name, 1, "iu").astype(np.int64)
        check_as_many(source, {x_name: len(x), length_name: len(lengths)})
    else:
        lengths = np.where(np.isnan(x), 0, columns + 1).max(axis=1, initial=0)
    if (wrong := (lengths < 0) | (lengths > x.shape[1])).any():
        raise UsageError(
            f"{source.file.filename}, row {wrong.argmax()} of '{length_name}', is {lengths[wrong][0]}, but there are "
            f"{x.shape[1]} columns: write it anew."
        )
    _check_finite(source, x_name, y_name, np.stack([x, y], axis=2), columns < lengths[:, None])
    return [np.stack([x[row, :many], y[row, :many]], axis=1) for row, many in enumerate(lengths)]


def _check_finite(source: Any, x_name: str, y_name: str, points: np.ndarray, used: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        wrong = used & ~np.isfinite(points.astype(np.float32)).all(axis=-1)
    if wrong.any():
        row = np.argwhere(wrong)[0][0]
        raise UsageError(
            f"{source.file.filename} has a value that is no finite number in row {row} of '{x_name}' or '{y_name}': "
            "leave that scanpath out."
        )


def _joined(source: Any, forced: bool) -> list[tuple[int, np.ndarray]]:
    """The scanpaths of single fixations, from the longest history to the shortest.

    A fixation belongs to a longer path that begins with its history and itself, and lacks its own fixation there. Paths
    that begin alike are alike up to there, so that it does not matter which of them takes it.
    """
    before = _rows(source, "x_hist", "y_hist", "lengths")
    x, y = (array(source, name, 1).astype(np.float64) for name in ("x", "y"))
    kinds = {"n": "iu"} | {name: "iufSO" for name in _GROUPS if name in source}
    shared = [array(source, name, 1, allowed).tolist() for name, allowed in kinds.items()]
    check_as_many(source, {"x_hist": len(before), "x": len(x), "y": len(y), "n": min(map(len, shared))})
    points = np.stack([x, y], axis=1)
    _check_finite(source, "x", "y", points, np.ones(len(points), dtype=bool))
    paths: list[tuple[int, np.ndarray]] = []
    rows: list[int] = []
    waiting: defaultdict[tuple[Any, bytes], list[int]] = defaultdict(list)  # paths that lack their fixation there
    for row in sorted(range(len(points)), key=lambda row: -len(before[row])):
        path = np.concatenate([before[row], points[row : row + 1]])
        group = tuple(each[row] for each in shared)
        if lacking := waiting[group, path.tobytes()]:
            place = lacking.pop(0)
            rows[place] = row
        else:
            place = len(paths)
            paths.append((int(group[0]), path))
            rows.append(row)
        if len(path) > 1:
            waiting[group, path[:-1].tobytes()].append(place)
    _check_whole(source, [len(begun) // path[:1].nbytes for (_, begun), each in waiting.items() if each], forced)
    return [paths[place] for place in np.argsort(rows)]


def _check_whole(source: Any, lacking: list[int], forced: bool) -> None:
    """See that no fixation would be scored that is not there; `lacking` counts them from 1."""
    if all(each == 1 for each in lacking) and (forced or not lacking):
        return
    remedy = "write whole scanpaths with pysaliency"
    if max(lacking) == 1:
        remedy = "say data.first_fixation=history, or " + remedy
    raise UsageError(
        f"{source.file.filename} has histories with fixations that are not among its own, such as fixation "
        f"{max(lacking)} of a scanpath, which must not be scored: {remedy}."
    )
