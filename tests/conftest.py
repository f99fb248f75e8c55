"""What several test files share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a real data set by name, below $ASSAY_DATA; the test is skipped where there is none."""

    def find(name: str) -> Path:
        folder = (ROOT / os.environ.get("ASSAY_DATA", "../shared/data") / name).resolve()
        if not folder.is_dir():
            pytest.skip(f"no real data '{name}': set ASSAY_DATA to a folder that holds it")
        return folder

    return find
