"""TensorBoard events of one training: scalars by group, pictures, and from the first epoch its row under HParams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary_v2 as hparams
from torch.utils.tensorboard import SummaryWriter


class Events:
    """Writes one folder's events; `flush` after every epoch, so that TensorBoard is live."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], first_epoch: int = 1) -> None:
        """Start or continue; events from `first_epoch` on that an interrupted training left are purged."""
        self._writer = SummaryWriter(folder, purge_step=first_epoch if first_epoch > 1 else None)
        if first_epoch == 1:
            session = hparams.hparams_pb({key: _typed(value) for key, value in settings.items()}, trial_id=folder.name)
            self._summary(session)

    def report(self, report: Mapping[str, Any]) -> None:
        """Every number of an epoch's report under its own name, and the findings as text."""
        epoch = report["epoch"]
        for key, value in report.items():
            if key != "epoch" and isinstance(value, int | float):
                self._writer.add_scalar(key, value, epoch)
        if report["findings"]:
            sentences = [f"**{finding['check']}**: {finding['message']}" for finding in report["findings"]]
            self._writer.add_text("health", "\n\n".join(sentences), epoch)
        self._writer.flush()

    def pictures(self, panels: Mapping[str, np.ndarray], epoch: int) -> None:
        """Pictures uint8 `[H, W, 3]` by title."""
        for title, picture in panels.items():
            self._writer.add_image(f"panels/{title}", picture, epoch, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _summary(self, summary: Summary) -> None:
        self._writer._get_file_writer().add_summary(summary)


def write_experiment(folder: Path, settings: Sequence[str], metrics: Sequence[str]) -> None:
    """Tell the HParams tab of a run, once, which settings are searched and which metrics its table shows."""
    pb = hparams.hparams_config_pb(
        hparams=[hparams.HParam(name) for name in settings],
        metrics=[hparams.Metric(metric, display_name=metric) for metric in metrics],
    )
    with SummaryWriter(folder) as writer:
        writer._get_file_writer().add_summary(pb)


def write_text(folder: Path, title: str, markdown: str) -> None:
    """Show a page of markdown under Text, in place of what the folder held before."""
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    with SummaryWriter(folder) as writer:
        writer.add_text(title, markdown)


def _typed(value: Any) -> float | str | bool:
    """HParams holds numbers, words and booleans."""
    return value if isinstance(value, bool | int | float | str) else str(value)
