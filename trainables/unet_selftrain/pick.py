"""Pick the particles of micrographs with an exported model: `python -m trainables.unet_selftrain.pick`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from trainables.commands import command, command_help, parse_arguments
from trainables.files import CONFIG, replace_text
from trainables.settings import Settings, UsageError, setting
from trainables.unet_selftrain.reading import SUFFIXES

if TYPE_CHECKING:
    from trainables.unet_selftrain.inference import Particles

USAGE = """
Pick the particles of micrographs with an exported model.

  python -m trainables.unet_selftrain.pick model=export/NAME images=FOLDER to=picks.json
  python -m trainables.unet_selftrain.pick model=export/NAME images=FOLDER to=picks/

A .json file has the form of coordinates.json; a folder gets a STAR file for each micrograph, NAME_autopick.star, as
RELION reads them. Coordinates are x and y in pixels of the micrographs' files, from their first row.
"""


@dataclass(frozen=True, kw_only=True)
class Picking(Settings):
    """The keys of the command line."""

    model: str = setting(help="folder that analysis.export or trainables.train wrote")
    images: str = setting(help="folder of micrographs (PNG, JPEG, TIFF, MRC), or one of them")
    to: str = setting(help="picks.json, or a folder for STAR files")
    threshold: float | None = setting(
        None, "pick from this score on; none: what the model's calibration chose", low=0.0
    )
    device: str = setting("auto", "auto: the GPU if there is one; or cpu, cuda")


def main(arguments: list[str]) -> int:
    """Pick; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Picking))
        return 0
    picking = Picking.of(parse_arguments(arguments))
    if not (Path(picking.model) / CONFIG).is_file():
        raise UsageError(f"model={picking.model} is no exported model; `python -m analysis.export` writes one.")
    root, files = _files(Path(picking.images))
    from trainables.processes import pick  # noqa: PLC0415  (mistakes are told before torch loads)
    from trainables.unet_selftrain.inference import Picker  # noqa: PLC0415

    picker = Picker.load(picking.model, str(pick(picking.device)))
    bar = tqdm(files, desc="picking", unit="micrograph", delay=1)
    found = {file.relative_to(root).as_posix(): picker(file, picking.threshold) for file in bar}
    write_json(Path(picking.to), found) if picking.to.endswith(".json") else write_star(Path(picking.to), found)
    print(f"  {sum(len(each.points) for each in found.values())} particles in {len(found)} micrographs: {picking.to}")
    return 0


def write_json(to: Path, found: dict[str, Particles]) -> None:
    """One file: micrograph → its picks, the surest first."""
    to.parent.mkdir(parents=True, exist_ok=True)
    replace_text(to, json.dumps({name: each.points.round(2).tolist() for name, each in found.items()}))


def write_star(to: Path, found: dict[str, Particles]) -> None:
    """A file for each micrograph, with scores.

    Source: the columns of RELION's autopicking (Scheres 2015).
    """
    head = "\ndata_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnAutopickFigureOfMerit #3\n"
    for name, each in found.items():
        rows = zip(each.points.tolist(), each.scores.tolist(), strict=True)
        lines = [f"{x:12.3f} {y:12.3f} {score:12.5f}\n" for (x, y), score in rows]
        file = to / Path(name).with_name(f"{Path(name).stem}_autopick.star")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, head + "".join(lines))


def _files(images: Path) -> tuple[Path, Sequence[Path]]:
    """The folder that names are relative to, and the micrographs."""
    if images.is_file():
        return images.parent, [images]
    files = sorted(each for each in images.rglob("*") if each.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(f"images={images} has no micrograph; give a folder with {', '.join(SUFFIXES)} files.")
    return images, files


if __name__ == "__main__":
    command(main)
