"""The status of a search while it runs: one line, a table on request, and the time left."""

from __future__ import annotations

import shutil
import sys
import time

from search.board import Board
from search.request import Run
from trainables.objective import VALUE
from trainables.standing import describe_excluded, stage_name, stages_left


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
        count = board.count("finished", "stopped", "failed")
        parts = [f"{count}/{board.space.budget.trials} trials"]
        if board.count("stopped"):
            parts.append(f"{board.count('stopped')} stopped early")
        if board.failures():
            parts.append(f"{len(board.failures())} failed ({board.failures()[-1].reason})")
        parts += self._describe_best()
        return " · ".join([*parts, self._time_left(count)])

    def _describe_best(self) -> list[str]:
        """Describe the best of the trials that may be compared against the default, and what to know of them."""
        board, comparison = self.board, self.board.compare()
        best = next(iter(comparison.ranking), None)
        if best is None:
            return []
        objective, report = board.space.objective, board.standing_report(best) or {}
        default = board.standing_report(0) if 0 in comparison.ranking else None
        stage = f" in stage {comparison.stage}" if comparison.stage else ""
        against = f" against default {default[VALUE]:.4g}" if default else ""
        violations = " and ".join(objective.describe_violations(report))
        return [
            f"best {report[VALUE]:.4g} (#{best}){against}{stage}{f', violates {violations}' if violations else ''}",
            *filter(None, [board.default_note(is_brief=True), describe_excluded(comparison.excluded, 0)]),
        ]

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

    def _time_left(self, count: int) -> str:
        seconds = time.monotonic() - self.start
        new = count - self.ended_before
        remaining = self.board.space.budget.trials - count
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
        report, trial = board.standing_report(number), board.trials[number]
        value = ""
        if report is not None:
            stage = f" of stage {stage_name(report)}" if stages_left(report, board.space.budget.max_epochs) else ""
            violations = "".join(f"   violates {text}" for text in board.space.objective.describe_violations(report))
            value = f"{report[VALUE]:.4g} at epoch {report['epoch']}{stage}{violations}"
        rows.append(f"  {'#' + str(number):>7}  {trial.status:<9} {board.epochs(number):>5}  {value}")
    return "\n".join(rows)


def clock(seconds: float) -> str:
    """Format seconds as 2:28, or 1:02:28."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
