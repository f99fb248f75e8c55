"""Ctrl-C and SIGTERM: while Ray starts they end the process at once, later they end the search with its record whole.

A start of Ray waits in C code for minutes, where Python's own handlers are not called. What Python's C handler writes
to a pipe is read by a thread that waits for nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FrameType


class Interruption:
    """The signals that end a search.

    Attributes:
        exit_code: of a process that such a signal ends: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self) -> None:
        self.exit_code = 128 + signal.SIGINT

    @contextlib.contextmanager
    def ends_process(self, sentence: str, clean_up: Callable[[], None]) -> Iterator[None]:
        """End the process at the first signal in this block: `clean_up`, the sentence, the exit code.

        A Ctrl-C that the process was started to ignore stays ignored.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        thread = threading.Thread(target=self._watch, args=(reader, sentence, clean_up), daemon=True)
        thread.start()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = signal.set_wakeup_fd(writer)
        for number, handler in handlers.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _do_nothing)
        try:
            yield
        except SystemExit:  # Ray's own answer to SIGTERM, whenever its C code returns
            thread.join()
            raise
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.write(writer, b"\0")
            thread.join()
            os.close(reader)
            os.close(writer)

    def _watch(self, reader: int, sentence: str, clean_up: Callable[[], None]) -> None:
        """Wait for a signal, or for the end of the block."""
        while True:
            number = os.read(reader, 1)[0]
            if number == 0:
                return
            if number in (signal.SIGINT, signal.SIGTERM):
                clean_up()
                print(sentence, file=sys.stderr, flush=True)
                os._exit(128 + number)

    @contextlib.contextmanager
    def ends_search(self) -> Iterator[None]:
        """Let SIGTERM do in this block what Ctrl-C does, and remember that it was SIGTERM."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            self.exit_code = 128 + number
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)

        handler = signal.signal(signal.SIGTERM, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, handler)


def kill_descendants(but: Collection[int]) -> None:
    """Kill what this process has started, but for some processes: Ray leaves behind what it could not start in full."""
    for pid in list_descendants() - set(but):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def list_descendants() -> set[int]:
    """List the processes that this one has started, and those that they have."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parents[int(file.parent.name)] = int(file.read_text(errors="replace").rpartition(")")[2].split()[1])
    descendants, generation = set[int](), {os.getpid()}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        descendants |= generation
    return descendants


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Stand in for a handler, because Python's C handler is installed only where there is one."""
