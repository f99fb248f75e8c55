"""How commands end, and what they print of bad input and of notices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainables.commands import format_warning, run_command
from trainables.settings import Notice, UsageError


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, 1), (UsageError("seed=x is not a whole number."), 2)])
def test_a_command_exits_with_its_status_and_2_for_usage(status, code, capsys):
    def main(arguments):
        if isinstance(status, UsageError):
            raise status
        return status

    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == ("error: seed=x is not a whole number.\n" if code == 2 else "")


def test_notices_are_sentences_and_other_warnings_keep_their_place():
    assert format_warning(Notice("2 left out."), Notice, "here.py", 7) == "warning: 2 left out.\n"
    assert "here.py:7: UserWarning: odd" in format_warning(UserWarning("odd"), UserWarning, "here.py", 7)


def test_a_command_prints_its_notices_so():
    code = (
        "import warnings; from trainables.commands import run_command; from trainables.settings import Notice\n"
        "run_command(lambda _: warnings.warn('2 left out.', Notice) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: 2 left out.\n"
