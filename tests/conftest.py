"""Fixtures of all tests, and the order in which they are run."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start Ray: they take longest, and the others fill the other cores meanwhile.

    They are the group `ray`, one after the other in one process, because Ray's local start gives up after 30 s.
    """

    def starts_ray(item: pytest.Item) -> bool:
        group = item.get_closest_marker("xdist_group")
        return group is not None and group.args == ("ray",)

    items.sort(key=starts_ray, reverse=True)


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Find the folder of a real data set by name, below $ASSAY_DATA; the test is skipped where there is none."""

    def find(name: str) -> Path:
        folder = (ROOT / os.environ.get("ASSAY_DATA", "../shared/data") / name).resolve()
        if not folder.is_dir():
            pytest.skip(f"no real data '{name}': set ASSAY_DATA to a folder that holds it")
        return folder

    return find


@pytest.fixture
def small_files() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Limit, for a block, the bytes that a file may have, as a full disk does."""

    @contextlib.contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
