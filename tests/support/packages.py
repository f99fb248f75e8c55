"""Packages that hold a variant, and folders that name one, as somebody else may send them."""

from __future__ import annotations

import sys
from pathlib import Path

VARIANT = """\
from pathlib import Path
Path({marker!r}).touch()
from benchmarks.curves.config import Config, Data
"""
SPACE = "variant: {name}\nobjective: {{metric: val/score}}\nparams: {{x: {{uniform: [0, 1]}}}}\n"
CONFIG = "variant: {name}\nseed: 0\nconfig: {{x: 0.5}}\ndata: {{source: synthetic}}\n" + (
    "objective: {{goals: [{{metric: val/score, mode: max}}], constraints: {{}}}}\n"
)


def write_variant(folder: Path, marker: Path) -> Path:
    """Write the curves as a package of another name, which touches `marker` when any of it is imported."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("__init__", "config"):
        text = VARIANT.format(marker=str(marker))
        (folder / f"{name}.py").write_text(text.replace("from benchmarks", "TITLE = 'of a test'\nfrom benchmarks"))
    (folder / "data.py").write_text("def prepare(config, data, splits=()): pass\n")
    (folder / "variant.py").write_text("from benchmarks.curves.variant import build\n")
    return folder


def write_run(folder: Path, name: str) -> Path:
    """Write the folder of a run without trials whose space names a variant."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text("space_name: sent\nseed: 0\n")
    (folder / "space.yaml").write_text(SPACE.format(name=name))
    return folder


def write_export(folder: Path, name: str) -> Path:
    """Write the folder of an export whose config names a variant; its weights are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG.format(name=name))
    (folder / "metrics.json").write_text('{"facts": {}, "report": {}}')
    (folder / "model.safetensors").touch()
    return folder


def forget(*tops: str) -> None:
    """Forget imported packages, so that another test may write others of the same name."""
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]
