"""Progress bars: none for short work, in a log a line at once and then one a minute, none where they are silenced."""

import itertools

import pytest

from trainables.progress import ProgressBar, silence, track


def count_lines(capsys: pytest.CaptureFixture[str]) -> int:
    return sum(bool(line.strip()) for line in capsys.readouterr().err.replace("\r", "\n").split("\n"))


def test_a_log_gets_the_first_line_within_seconds_and_the_next_after_a_minute(capsys):
    bar, now = ProgressBar(1000, "counting", "number"), 0.0
    bar._time = lambda: now
    bar.start_t = bar.last_print_t = now
    lines = {}
    for second in range(1, 131):
        now = float(second)
        bar.update()
        lines[second] = count_lines(capsys)
    seconds = [second for second, count in lines.items() if count]
    assert seconds[0] <= 2
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(seconds))
    assert len(seconds) >= 2


def test_short_work_has_no_bar_and_all_items_come_in_their_order(capsys):
    assert list(track([3, 1, 2], "counting")) == [3, 1, 2]
    assert count_lines(capsys) == 0


def test_silence_is_for_its_block_alone():
    with silence():
        assert ProgressBar(3, "counting").disable
        with silence(False):
            assert not ProgressBar(3, "counting").disable
        assert ProgressBar(3, "counting").disable
    assert not ProgressBar(3, "counting").disable
