"""Fixtures of the go/no-go's tests: a fake variant, and a config of it."""

import pytest

from tests.support.fake_gaze import Fake, build, write_config
from trainables.registry import Entry


@pytest.fixture(autouse=True)
def _fake_variant(monkeypatch):
    """Put a fake variant, which has no images to decode, in place of every variant."""
    monkeypatch.setattr(Entry, "build", build)
    monkeypatch.setattr(Entry, "prepare", lambda *arguments: None)
    for name, value in (("gains", 0.05), ("loss_offset", 0.0), ("build_splits", ()), ("steps", ())):
        monkeypatch.setattr(Fake, name, value)


@pytest.fixture
def config(tmp_path):
    """Write a config into a folder of its own; its path."""
    path = tmp_path / "export" / "config.yaml"
    path.parent.mkdir()
    write_config(path)
    return path
