"""Folders that the tests of entropy_reg share."""

from pathlib import Path

import pytest

from tests.support.gaze_folders import SIZES, central_fixations, write_folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Folder of the features that all tests of a file share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six images with two fixations each, as the source `fixations` reads them."""
    return write_folder(tmp_path / "data", SIZES, central_fixations(SIZES))
