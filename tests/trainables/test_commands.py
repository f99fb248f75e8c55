"""What commands do with their result, with bad input, and with warnings."""

from __future__ import annotations

import subprocess
import sys

import pytest

import trainables.cache
from trainables.commands import command, formatted
from trainables.settings import UsageError


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, 1), (UsageError("seed=x is not a whole number."), 2)])
def test_a_command_exits_with_its_status_and_2_for_usage(status, code, capsys):
    def main(arguments):
        if isinstance(status, UsageError):
            raise status
        return status

    with pytest.raises(SystemExit) as ended:
        command(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == ("error: seed=x is not a whole number.\n" if code == 2 else "")


def test_warnings_of_the_project_are_sentences_and_others_keep_their_place(tmp_path):
    other = tmp_path / "elsewhere.py"
    assert formatted(UserWarning("2 left out."), UserWarning, trainables.cache.__file__, 7) == "warning: 2 left out.\n"
    assert f"{other}:7: UserWarning: odd" in formatted(UserWarning("odd"), UserWarning, str(other), 7)
    assert "cache.py:7: DeprecationWarning" in formatted("old", DeprecationWarning, trainables.cache.__file__, 7)


def test_a_command_prints_its_warnings_so():
    code = (
        "import warnings, trainables.cache; from trainables.commands import command\n"
        "command(lambda _: warnings.warn_explicit('2 left out.', UserWarning, trainables.cache.__file__, 1) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: 2 left out.\n"
