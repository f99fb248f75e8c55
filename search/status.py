"""The status of a search while it runs: one line, a table on request, and the time left."""

from __future__ import annotations

import shutil
import sys
import time

from search.board import Board
from search.request import Run


class StatusLine:
    """One line about the run: renewed on a terminal, once a minute in a log."""

    def __init__(self, board: Board, run: Run, start: float) -> None:
        self.board = board
        self.run = run
        self.start = start
        self.terminal = sys.stdout.isatty()
        self.next_line = start
        self.next_table = start + 60
        self.ended_before = board.count("finished", "stopped", "failed")

    def tick(self) -> None:
        """Print the line again, if it is time."""
        now = time.monotonic()
        if self.run.quiet or now < self.next_line:
            return
        self.next_line = now + (0.5 if self.terminal else 60)
        if self.run.table and now >= self.next_table:
            self.next_table = now + 60
            print(f"{self._line_start()}{trials_table(self.board)}")
        print(self._line(), end="" if self.terminal else "\n", flush=True)

    def text(self) -> str:
        """Write the trials so far, the best against the default, and the time left."""
        board = self.board
        ended = board.count("finished", "stopped", "failed")
        parts = [f"{ended}/{board.space.budget.trials} trials"]
        if board.count("stopped"):
            parts.append(f"{board.count('stopped')} stopped early")
        if board.failures():
            parts.append(f"{len(board.failures())} failed ({board.failures()[-1].reason})")
        metric, best = board.space.objective.first.metric, board.best()
        if best is not None:
            report, default = board.best_report(best) or {}, board.best_report(0) if 0 in board.trials else None
            against = f" against default {default[metric]:.4g}" if default else ""
            parts.append(f"best {report[metric]:.4g} (#{best}){against}")
        return " · ".join([*parts, self._time_left(ended)])

    def close(self) -> None:
        """Print the last line, and go to the next."""
        if not self.run.quiet:
            print(self._line())

    def _line(self) -> str:
        """Return the line; on a terminal cut to its width, since a line that wraps cannot be erased."""
        text = f"  {self.text()}"
        return f"{self._line_start()}{text[: shutil.get_terminal_size().columns - 1]}" if self.terminal else text

    def _line_start(self) -> str:
        """Return the beginning of a line, which on a terminal erases the line before."""
        return "\r\033[K" if self.terminal else ""

    def _time_left(self, ended: int) -> str:
        seconds = time.monotonic() - self.start
        new = ended - self.ended_before
        remaining = self.board.space.budget.trials - ended
        if remaining <= 0:
            return f"done in {clock(seconds)}"
        if new == 0:
            return f"{clock(seconds)} so far"
        left = seconds / new * remaining
        if self.run.time_budget_s is not None:
            left = min(left, self.run.time_budget_s - seconds)
        return f"about {clock(left)} left"


def trials_table(board: Board, best: int = 5) -> str:
    """Tabulate the running trials, then the best ones so far: number, state, epoch, objective."""
    running = [number for number, trial in board.trials.items() if not trial.done]
    rows = [f"  {'trial':>7}  {'state':<9} {'epoch':>5}  objective"]
    for number in [*running, *board.ranking()[:best]]:
        report, trial = board.best_report(number), board.trials[number]
        value = "" if report is None else f"{report['objective/value']:.4g} at epoch {report['epoch']}"
        rows.append(f"  {'#' + str(number):>7}  {trial.status:<9} {board.epochs(number):>5}  {value}")
    return "\n".join(rows)


def clock(seconds: float) -> str:
    """Format seconds as 2:28, or 1:02:28."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
