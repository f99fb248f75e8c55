"""The folder of one training: reports, the latest state, the best weights, TensorBoard events.

    result.json        one JSON object per epoch and line
    last.pt            everything that the training depends on; read with weights_only=True
    best.safetensors   the weights of the best epoch by the objective, with that epoch's report in its header
    panels/*.png       the pictures of that epoch
    STAGE/             of a stage that is kept: model.safetensors, metrics.json, visualization.png as it ended
    events.out.*       TensorBoard

Every file is replaced whole or appended by one line. The checkpoint is written before the report's line and holds the
report as well, so that a kill at any moment leaves no report without its weights, and none missing once it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from trainables.files import (
    BEST_WEIGHTS,
    LAST,
    METRICS,
    PANELS,
    REPORT,
    RESULT,
    STAGE_PICTURE,
    WEIGHTS,
    append_line,
    put_in_place,
    read_lines,
    replace_text,
)
from trainables.training.loop import Loop
from trainables.training.tensorboard import Events


class TrainingFolder:
    """Runs a loop epoch by epoch and leaves on disk all that is needed to go on, to look, and to use the best."""

    def __init__(self, path: Path, loop: Loop, settings: Mapping[str, Any]) -> None:
        """Open or continue the training in `path`; `settings` are shown in TensorBoard's HParams tab."""
        self.path = path
        self.loop = loop
        if (path / LAST).exists():
            load_state(path / LAST, loop)
        self._events: Events | None = None  # of several processes, only the first one writes
        if loop.variant.processes.first:
            path.mkdir(parents=True, exist_ok=True)
            self._complete_record()
            self._events = Events(path, settings, first_epoch=loop.epoch_done + 1)

    def epoch(self, on_step: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Train one epoch and record it; returns its report. `on_step` is called after every optimiser step.

        Raises:
            DivergedError: as the loop does; the record stays as it was after the epoch before.
        """
        report = self.loop.epoch(on_step)
        if self._events is None:
            return report
        if self.loop.monitor.improved:
            self._keep_weights(self.path / BEST_WEIGHTS, report)
        stage = self.loop.stage_over
        kept = self.path / stage.name if stage is not None and stage.kept else None
        if kept is not None:
            self._keep_stage(kept, report)
        save_state(self.path / LAST, self.loop)
        append_line(self.path / RESULT, report)
        self._events.report(report)
        if kept is not None:  # pictures last: one that cannot be drawn must cost nothing else
            self._show_stage(kept)
        if self.loop.monitor.improved:
            self._show(self.loop.variant.panels())
        return report

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()

    def _complete_record(self) -> None:
        """Make the reports on disk those of the epochs that the checkpoint has, the last one included."""
        kept = [line for line in read_lines(self.path / RESULT) if line["epoch"] <= self.loop.epoch_done]
        if self.loop.report is not None and (not kept or kept[-1]["epoch"] < self.loop.epoch_done):
            kept.append(self.loop.report)
        replace_text(self.path / RESULT, "".join(json.dumps(line) + "\n" for line in kept))

    def _show(self, panels: Mapping[str, np.ndarray]) -> None:
        """Pictures of the best epoch so far: in TensorBoard with their history, as files the latest alone."""
        assert self._events is not None  # for the type checker: the first process has one
        self._events.pictures(panels, self.loop.epoch_done)
        if panels:
            (self.path / PANELS).mkdir(exist_ok=True)
        for title, picture in panels.items():
            _save_picture(self.path / PANELS / f"{title}.png", picture)

    def _keep_stage(self, folder: Path, report: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        (folder / STAGE_PICTURE).unlink(missing_ok=True)  # of an earlier training
        self._keep_weights(folder / WEIGHTS, report)
        replace_text(folder / METRICS, json.dumps(report, indent=2))

    def _show_stage(self, folder: Path) -> None:
        picture = self.loop.variant.stage_picture()
        if picture is not None:
            _save_picture(folder / STAGE_PICTURE, picture)

    def _keep_weights(self, path: Path, report: Mapping[str, Any]) -> None:
        partial = path.with_name(f".{path.name}")
        save_file(self.loop.weights(), partial, metadata={REPORT: json.dumps(report)})
        put_in_place(partial, path)


def _save_picture(path: Path, picture: np.ndarray) -> None:
    partial = path.with_name(f".{path.name}")
    Image.fromarray(picture).save(partial)
    put_in_place(partial, path)


def save_state(path: Path, loop: Loop) -> None:
    """Write a loop's state, whole or not at all."""
    partial = path.with_name(f".{path.name}")
    torch.save(loop.state(), partial)
    put_in_place(partial, path)


def load_state(path: Path, loop: Loop) -> None:
    """Continue from what `save_state` wrote; nothing but tensors and plain values is unpickled."""
    loop.load_state(torch.load(path, map_location=loop.variant.device, weights_only=True))
