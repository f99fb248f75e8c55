"""TensorBoard events of one training: scalars by group, panels, and from the first epoch its row under HParams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary_v2 as hparams
from torch.utils.tensorboard import SummaryWriter

STANDING = "best/"  # before the metrics of the epoch that stands for a training


class EventWriter:
    """Writes one folder's events and flushes them after every epoch, so that TensorBoard is live."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], first_epoch: int = 1) -> None:
        """Start or resume; events from `first_epoch` on that an interrupted training left are purged."""
        self._writer = SummaryWriter(folder, purge_step=first_epoch if first_epoch > 1 else None)
        if first_epoch == 1:
            values = {key: _convert(value) for key, value in settings.items()}
            self._write_summary(hparams.hparams_pb(values, trial_id=folder.name))

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write every number of an epoch's report under its own name, and the health findings as text."""
        epoch = report["epoch"]
        for key, value in report.items():
            if key != "epoch" and isinstance(value, int | float):
                self._writer.add_scalar(key, value, epoch)
        if report["findings"]:
            sentences = [f"**{finding['check']}**: {finding['message']}" for finding in report["findings"]]
            self._writer.add_text("health", "\n\n".join(sentences), epoch)
        self._writer.flush()

    def write_standing(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Write the metrics that stand for the training after an epoch; HParams shows the last ones."""
        for metric, value in metrics.items():
            self._writer.add_scalar(f"{STANDING}{metric}", value, epoch)
        self._writer.flush()

    def write_panels(self, panels: Mapping[str, np.ndarray], epoch: int) -> None:
        """Write panels, uint8 `[H, W, 3]` by title."""
        for title, picture in panels.items():
            self._writer.add_image(f"panels/{title}", picture, epoch, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _write_summary(self, summary: Summary) -> None:
        self._writer._get_file_writer().add_summary(summary)


def write_hparams(folder: Path, settings: Sequence[str], metrics: Sequence[str]) -> None:
    """Write, once for a run, which settings are searched and which metrics the HParams table shows.

    It shows a metric's last value: that of the epoch that stands for the trial, and none before its last stage.
    """
    pb = hparams.hparams_config_pb(
        hparams=[hparams.HParam(name) for name in settings],
        metrics=[hparams.Metric(f"{STANDING}{metric}", display_name=metric) for metric in metrics],
    )
    with SummaryWriter(folder) as writer:
        writer._get_file_writer().add_summary(pb)


def write_text(folder: Path, title: str, markdown: str) -> None:
    """Write a page of Markdown under Text, in place of what the folder held before."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("events.out.tfevents.*"):
        file.unlink()
    with SummaryWriter(folder) as writer:
        writer.add_text(title, markdown)


def _convert(value: Any) -> float | str | bool:
    """Convert to what HParams holds: numbers, words and booleans."""
    return value if isinstance(value, bool | int | float | str) else str(value)
