"""Progress bars of long work: renewed on a terminal, a line a minute in a log; nothing for work of under a second."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)
_LOG_INTERVAL = 60.0  # seconds


class ProgressBar(tqdm):
    """A bar that appears after a second: on a terminal it is renewed, and a log gets the first line at once."""

    def __init__(self, total: int, title: str, unit: str = "image") -> None:
        self._is_log = not sys.stderr.isatty()
        super().__init__(total=total, desc=title, unit=unit, delay=1, mininterval=0.1, disable=_SILENT.get())

    def update(self, n: float | None = 1) -> bool | None:
        """Count items; in a log, the next line follows after a minute."""
        is_shown = super().update(n)
        if is_shown and self._is_log:
            self.mininterval = self.maxinterval = _LOG_INTERVAL
        return is_shown


def track(items: Sequence[Item], title: str, unit: str = "image") -> Iterator[Item]:
    """Yield the items under a progress bar."""
    with ProgressBar(len(items), title, unit) as bar:
        for item in items:
            yield item
            bar.update()


@contextmanager
def silence(active: bool = True) -> Iterator[None]:
    """Show no progress bar while this is active."""
    token = _SILENT.set(active)
    try:
        yield
    finally:
        _SILENT.reset(token)
