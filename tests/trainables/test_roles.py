"""The layout: every variant has the same files for the same roles, and every room stands in the import rules."""

import ast
import importlib
import tomllib

import pytest

from tests.support.repository import ROOT
from trainables import registry
from trainables.contract import Variant
from trainables.images.split import DataSplit

TRAINABLES = ROOT / "trainables"
ROLES = (
    "__init__",
    "adequacy",
    "baselines",
    "batches",
    "card",
    "config",
    "data",
    "health",
    "inference",
    "judging",
    "losses",
    "model",
    "panels",
    "reports",
    "scoring",
    "sources/__init__",
    "sources/synthetic",
    "split",
    "step",
    "variant",
)
FUNCTIONS = {  # role → arguments that every variant's function of that name begins with
    ("data", "load_split"): ["config", "data", "split"],
    ("data", "prepare"): ["config", "data", "splits"],
    ("adequacy", "assess"): ["config", "data", "splits"],
    ("baselines", "compute"): ["config", "data"],
    ("health", "findings"): ["report", "config"],
    ("reports", "keys"): ["config"],
    ("card", "sections"): ["folder", "config", "data", "facts"],
}
METHODS = {
    ("batches", "Batches", "of_epoch"): ["self", "epoch"],
    ("step", "TrainingStep", "__call__"): ["self", "batch", "update"],
    ("inference", "Predictor", "load"): ["cls", "folder", "device"],
    ("inference", "Predictor", "__call__"): ["self", "image"],
}

variants = pytest.mark.parametrize("name", registry.names())


def definitions(name: str, role: str) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """Functions and classes of a variant's file, and the methods of its classes as `Class.method`."""
    tree = ast.parse((TRAINABLES / name / f"{role}.py").read_text(encoding="utf-8"))
    top = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    methods = {
        f"{node.name}.{item.name}": item
        for node in top.values()
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    return {**top, **methods}


def arguments(function: ast.FunctionDef | ast.ClassDef) -> list[str]:
    assert isinstance(function, ast.FunctionDef)
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


@variants
def test_a_variant_has_the_files_of_all_roles(name):
    missing = [role for role in ROLES if not (TRAINABLES / name / f"{role}.py").is_file()]
    assert not missing, f"{name} lacks {missing}"


def test_contributing_lists_the_roles_and_no_others():
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    table = {line.split("`")[1] for line in lines if line.startswith("| `") and ".py" in line.split("|")[1]}
    assert table == {"sources/NAME.py" if role.startswith("sources/") else f"{role}.py" for role in ROLES}


@variants
def test_a_source_is_read_by_the_file_of_its_name(name):
    sources = registry.load(name).Data.SOURCES
    for source in sources:
        assert arguments(definitions(name, f"sources/{source}")["load"]) == ["config", "data", "split"]
    assert set(importlib.import_module(f"trainables.{name}.data").SOURCES) == set(sources)


@variants
@pytest.mark.parametrize(("role", "function"), FUNCTIONS)
def test_a_role_s_function_is_called_in_the_same_way(name, role, function):
    expected = FUNCTIONS[role, function]
    assert arguments(definitions(name, role)[function])[: len(expected)] == expected


@variants
@pytest.mark.parametrize(("role", "kind", "method"), METHODS)
def test_a_role_s_method_is_called_in_the_same_way(name, role, kind, method):
    expected = METHODS[role, kind, method]
    names = arguments(definitions(name, role)[f"{kind}.{method}"])
    assert names == expected if method == "of_epoch" else names[: len(expected)] == expected


@variants
def test_judging_predicts_scoring_scores_and_panels_are_drawn(name):
    judging = definitions(name, "judging")
    assert any(key == "predict" or key.endswith(".predict") for key in judging), sorted(judging)
    assert "score" in definitions(name, "scoring")
    assert "draw_panels" in definitions(name, "panels")


@variants
def test_a_variant_s_own_classes_are_what_their_roles_say(name):
    package = f"trainables.{name}"
    build = importlib.import_module(f"{package}.variant").build
    assert issubclass(build, Variant)
    batch = importlib.import_module(f"{package}.batches").Batch
    assert issubclass(batch, tuple) and batch._fields
    kinds = [kind for kind in vars(importlib.import_module(f"{package}.split")).values() if isinstance(kind, type)]
    assert any(issubclass(kind, DataSplit) and kind.__module__ == f"{package}.split" for kind in kinds)


def test_every_room_stands_in_the_import_rules():
    """A variant need not: the rules name the files that every variant has."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rules = {contract["name"]: contract for contract in contracts}
    layers = rules["Trainables are read from the top down"]["layers"]
    listed = {module.strip() for layer in layers for module in layer.split("|")}
    names = {init.parent.name for init in TRAINABLES.glob("*/__init__.py")} | {f.stem for f in TRAINABLES.glob("*.py")}
    shared = {f"trainables.{name}" for name in names - {"__init__"} - set(registry.names())}
    assert listed - {f"trainables.{name}" for name in registry.names()} == shared
    assert set(rules["What all variants share knows none of them"]["source_modules"]) == shared


def test_no_file_or_function_is_too_long():
    for file in (path for room in ("search", "trainables", "analysis") for path in (ROOT / room).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        length = text.count("\n")
        assert length <= 250, f"{file.relative_to(ROOT)} has {length} lines: what is it really?"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= 40, f"{file.relative_to(ROOT)}: {node.name} has {lines} lines"
