"""The folder of one training: reports, the latest state, the best weights, TensorBoard events.

    reports.jsonl      one JSON object per epoch and line
    last.pt            everything that the training depends on; read with weights_only=True
    best.safetensors   the weights of the epoch that stands for the training, with its report in the header: the best
                       of the last stage, with several goals the last epoch
    panels/*.png       the panels of that epoch
    STAGE/             of a stage with a folder: model.safetensors, metrics.json, visualization.png at its end
    events.out.*       TensorBoard

Every file is replaced whole or appended by one line. The checkpoint is written before the report's line and holds the
report as well, so that a kill at any moment leaves no report without its weights, and none missing after a resume.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from trainables.files import (
    BEST_WEIGHTS,
    CHECKPOINT,
    METRICS,
    OLD_RESULT,
    PANELS,
    REPORT,
    RESULT,
    STAGE_PANEL,
    WEIGHTS,
    append_line,
    read_lines,
    replace_text,
    replacement,
    result_file,
)
from trainables.objective import STAGES_LEFT
from trainables.training.loop import Loop
from trainables.training.tensorboard import EventWriter


class TrainingFolder:
    """Runs a loop epoch by epoch and records it on disk: to resume it, to look at it, and to use its best epoch."""

    def __init__(self, path: Path, loop: Loop, settings: Mapping[str, Any]) -> None:
        """Open or resume the training in `path`; `settings` are shown in TensorBoard's HParams tab."""
        self.path = path
        self.loop = loop
        if (path / CHECKPOINT).exists():
            load_state(path / CHECKPOINT, loop)
        self._events: EventWriter | None = None  # of several processes, only the first one writes
        if loop.variant.processes.first:
            path.mkdir(parents=True, exist_ok=True)
            self._complete_record()
            self._events = EventWriter(path, settings, first_epoch=loop.epoch_done + 1)

    def run_epoch(self, on_step: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Train one epoch and record it; returns its report. `on_step` is called after every optimiser step.

        Raises:
            DivergedError: as the loop does; the record stays as it was after the epoch before.
        """
        report = self.loop.run_epoch(on_step)
        if self._events is None:
            return report
        if self.loop.monitor.stands:
            self._write_weights(self.path / BEST_WEIGHTS, report)
        stage = self.loop.stage_over
        stage_folder = self.path / stage.name if stage is not None and stage.keeps_folder else None
        if stage_folder is not None:
            self._write_stage(stage_folder, report)
        save_state(self.path / CHECKPOINT, self.loop)
        append_line(self.path / RESULT, report)
        self._events.write_report(report)
        self._write_standing(report)
        if stage_folder is not None:  # pictures last: one that cannot be drawn must cost nothing else
            self._draw_stage(stage_folder)
        if self.loop.monitor.stands:
            self._write_panels(self.loop.variant.panels())
        return report

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()

    def _complete_record(self) -> None:
        """Make the reports on disk those of the epochs that the checkpoint has, the last one included."""
        lines = [line for line in read_lines(result_file(self.path)) if line["epoch"] <= self.loop.epoch_done]
        if self.loop.report is not None and (not lines or lines[-1]["epoch"] < self.loop.epoch_done):
            lines.append(self.loop.report)
        replace_text(self.path / RESULT, "".join(json.dumps(line) + "\n" for line in lines))
        (self.path / OLD_RESULT).unlink(missing_ok=True)  # taken over

    def _write_standing(self, report: Mapping[str, Any]) -> None:
        """Write the metrics that stand for the training so far; HParams compares by them, and so in the last stage."""
        assert self._events is not None  # for the type checker: the first process has one
        monitor = self.loop.monitor
        if monitor.standing is not None and not report[STAGES_LEFT]:
            metrics = {name: monitor.standing[name] for name in monitor.objective.metrics}
            self._events.write_standing(metrics, report["epoch"])

    def _write_panels(self, panels: Mapping[str, np.ndarray]) -> None:
        """Write the panels of an epoch that stands for the training: to TensorBoard with their history, else alone."""
        assert self._events is not None  # for the type checker: the first process has one
        self._events.write_panels(panels, self.loop.epoch_done)
        if panels:
            (self.path / PANELS).mkdir(exist_ok=True)
        for title, picture in panels.items():
            _save_picture(self.path / PANELS / f"{title}.png", picture)

    def _write_stage(self, folder: Path, report: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        (folder / STAGE_PANEL).unlink(missing_ok=True)  # of an earlier training
        self._write_weights(folder / WEIGHTS, report)
        replace_text(folder / METRICS, json.dumps(report, indent=2))

    def _draw_stage(self, folder: Path) -> None:
        picture = self.loop.variant.stage_panel()
        if picture is not None:
            _save_picture(folder / STAGE_PANEL, picture)

    def _write_weights(self, path: Path, report: Mapping[str, Any]) -> None:
        with replacement(path) as file:
            file.write(save(self.loop.weights(), metadata={REPORT: json.dumps(report)}))


def _save_picture(path: Path, picture: np.ndarray) -> None:
    with replacement(path) as file:
        Image.fromarray(picture).save(file, "PNG")


def save_state(path: Path, loop: Loop) -> None:
    """Write a loop's state, whole or not at all."""
    with replacement(path) as file:
        torch.save(loop.state(), file)


def load_state(path: Path, loop: Loop) -> None:
    """Restore what `save_state` wrote; nothing but tensors and plain values is unpickled."""
    loop.load_state(torch.load(path, map_location=loop.variant.device, weights_only=True))
