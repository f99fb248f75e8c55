"""Which variants a file that is read back may name, and where their code may lie.

The `space.yaml` of a run and the `config.yaml` of an export may come from anybody, and naming a package is enough to
run its code. So what is read back may name variants of the project, and packages that the user allows by name in the
environment variable `ASSAY_VARIANTS`. Nothing that lies in the folder that is read is imported, allowed or not: where a
package lies is found without importing it or its parents.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from trainables.files import CHECKPOINT, CONFIG, METRICS, RUN, WEIGHTS
from trainables.settings import UsageError

VARIABLE = "ASSAY_VARIANTS"
PROJECT = Path(__file__).resolve().parent.parent
BENCHMARKS = "benchmarks"
"""The package of the variants on which the project measures itself; it is part of a checkout alone."""


def check_record(package: str, folder: Path) -> None:
    """Check a variant that a file in `folder` names: it is the project's or allowed, and lies outside of the folder.

    Raises:
        UsageError: it is neither, or lies in the folder; the sentence says how to allow it.
    """
    if not is_of_project(package) and not is_allowed(package):
        raise UsageError(
            f"variant {package}, named by a file in {folder}, is not of the project, and its code would be "
            f"run: if you trust it, allow it with {allow_command(package)}."
        )
    check_place(package, folder)


def check_place(package: str, folder: Path) -> None:
    """Check that a variant's code does not lie in `folder`, links resolved.

    Raises:
        UsageError: it does; the sentence says where.
    """
    if is_of_project(package):
        return
    for location in _locate(f"{package}.config"):
        if _is_inside(location, folder):
            raise UsageError(
                f"variant {package} lies in {location}, inside of {folder}, from where no code is run: "
                "move the package elsewhere, or install it."
            )


def is_of_project(package: str) -> bool:
    """Return whether a package is a variant of the project, by its name and by where it would be imported from."""
    top, _, rest = package.partition(".")
    if top == __name__.partition(".")[0]:  # the package that this module is part of
        return (PROJECT / top / rest / "variant.py").is_file() and "." not in rest
    is_checkout = top == BENCHMARKS and (PROJECT / "pyproject.toml").is_file()
    return is_checkout and all(_is_inside(location, PROJECT / BENCHMARKS) for location in _locate(package))


def is_allowed(package: str) -> bool:
    """Return whether the user allows a package, or one above it, in the environment variable."""
    return any(package == name or package.startswith(f"{name}.") for name in _allowed_names())


def allow_command(package: str) -> str:
    """Write the command of a shell that allows a package beside those that are allowed already; empty: none needed."""
    if is_of_project(package):
        return ""
    return f"export {VARIABLE}={','.join(dict.fromkeys([*_allowed_names(), package]))}"


def record_folder(path: Path) -> Path | None:
    """Return the run's or export's folder that a file lies in, the outermost of those that are nested; None: in none.

    A proof lies in its run's folder, and a training in full beside the config that it was begun with.
    """
    folder = next((parent for parent in path.resolve().parents if _is_record(parent)), None)
    while folder is not None and _is_record(folder.parent):
        folder = folder.parent
    return folder


def _allowed_names() -> list[str]:
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


def _is_record(folder: Path) -> bool:
    is_export = (folder / CONFIG).is_file() and any(
        (folder / name).is_file() for name in (METRICS, WEIGHTS, CHECKPOINT)
    )
    return is_export or (folder / RUN).is_file()


def _is_inside(location: Path, folder: Path) -> bool:
    """Return whether a place lies in a folder, as it is written or with its links resolved."""
    absolute, target = Path(os.path.abspath(location)), location.resolve()  # noqa: PTH100  (resolve would follow links)
    roots = {Path(os.path.abspath(folder)), folder.resolve()}  # noqa: PTH100
    return any(path.is_relative_to(root) for path in (absolute, target) for root in roots)


def _locate(module: str) -> Iterator[Path]:
    """Yield where a module and each package above it would be imported from, or was; no code of theirs is run."""
    path: Sequence[str] | None = None
    names = module.split(".")
    for count in range(1, len(names) + 1):
        spec = _find_spec(".".join(names[:count]), path)
        if spec is None:
            return  # there is no such module, which its import says
        if spec.has_location and spec.origin is not None:
            yield Path(spec.origin)
        path = list(spec.submodule_search_locations or ())
        yield from map(Path, path)


def _find_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Find a module by the finders of Python's import, which look at files without running them."""
    spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None:
        return spec
    for finder in sys.meta_path:
        spec = _find_on_path(name, path) if finder is PathFinder else finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


def _find_on_path(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Find a module in folders and archives as `PathFinder` does, which cannot without importing the packages above."""
    portions: list[str] = []
    for entry in sys.path if path is None else path:
        importer = pkgutil.get_importer(entry or str(Path.cwd()))
        spec = importer.find_spec(name, None) if importer is not None else None
        if spec is not None and spec.loader is not None:
            return spec
        portions += [] if spec is None else spec.submodule_search_locations or []
    if not portions:
        return None
    namespace = ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = portions
    return namespace
