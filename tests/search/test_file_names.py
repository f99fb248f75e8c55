"""No file of a run has a name that Ray uses: Ray copies its own into the run's folder, over whatever is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ray

from tests.support.repository import ROOT

RAYS = ("tune", "train", "air")
OURS = (
    "search",
    "analysis",
    "trainables/training",
    "trainables/trials",
    "trainables/files.py",
    "trainables/failures.py",
)
READ_ONLY = {"error.txt", "result.json"}  # of earlier versions, which are told from Ray's by what they hold
FILE_NAME = re.compile(r"[\w.{}-]*[\w}-]\.[a-z]{2,12}|\.[a-z_]{4,}")


def file_names(root: Path) -> Iterator[str]:
    """List the strings in Python files that are the name of a file, and not an ending that is put to another one."""
    for file in [root] if root.is_file() else root.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        endings = {id(part) for node in ast.walk(tree) if is_ending(node) for part in ast.walk(node)}
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.Constant) and id(node) not in endings else None
            if isinstance(value, str) and FILE_NAME.fullmatch(value):
                yield value


def is_ending(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Call) and ast.unparse(node.func).endswith("endswith")
    )


def test_no_file_of_a_run_has_a_name_that_ray_uses():
    rays = {name for part in RAYS for name in file_names(Path(ray.__file__).parent / part)}
    ours = {name for part in OURS for name in file_names(ROOT / part)}
    assert {"error.txt", "error.pkl", "result.json", "params.json", "progress.csv", "experiment_state-{}.json"} <= rays
    assert {"trial.json", "run.yaml", "failure.txt", "reports.jsonl", "last.pt", "failures.csv", ".lock"} <= ours
    patterns = [re.compile(re.escape(name).replace(r"\{\}", ".*")) for name in rays]
    assert {name for name in ours if any(pattern.fullmatch(name) for pattern in patterns)} == READ_ONLY


def test_names_of_earlier_versions_are_written_nowhere():
    for part in OURS:
        root = ROOT / part
        for file in [root] if root.is_file() else root.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"(write_text|replace_text|replacement|append_line)\([^)]*OLD_", text), file
