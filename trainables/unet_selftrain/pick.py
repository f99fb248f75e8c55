"""Pick the particles of micrographs with an exported model: `python -m trainables.unet_selftrain.pick`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from trainables.commands import command_help, parse_arguments, run_command
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

    model: str = setting(help="folder that analysis.export or trainables.train wrote", path=True)
    images: str = setting(help="folder of micrographs (PNG, JPEG, TIFF, MRC), or one of them", path=True)
    to: str = setting(help="picks.json, or a folder for STAR files", path=True)
    threshold: float | None = setting(
        None, "pick from this score on; none: what the model's calibration chose", low=0.0
    )
    device: str = setting("auto", "auto: the GPU if there is one; or cpu, cuda")


def main(arguments: list[str]) -> int:
    """Pick, and return the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Picking))
        return 0
    picking = Picking.from_dict(parse_arguments(arguments))
    if not (Path(picking.model) / CONFIG).is_file():
        raise UsageError(f"model={picking.model} is no exported model; `python -m analysis.export` writes one.")
    root, files = _list_files(Path(picking.images))
    from trainables.processes import pick_device  # noqa: PLC0415  (mistakes are told before torch loads)
    from trainables.unet_selftrain.inference import Predictor  # noqa: PLC0415

    predictor = Predictor.load(picking.model, str(pick_device(picking.device)))
    bar = tqdm(files, desc="picking", unit="micrograph", delay=1)
    particles = {file.relative_to(root).as_posix(): predictor(file, picking.threshold) for file in bar}
    write = write_json if picking.to.endswith(".json") else write_star
    write(Path(picking.to), particles)
    count = sum(len(picks.points) for picks in particles.values())
    print(f"  {count} particles in {len(particles)} micrographs: {picking.to}")
    return 0


def write_json(file: Path, particles: Mapping[str, Particles]) -> None:
    """Write one file: micrograph → its picks, the surest first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps({name: picks.points.round(2).tolist() for name, picks in particles.items()}))


def write_star(folder: Path, particles: Mapping[str, Particles]) -> None:
    """Write a file for each micrograph, with scores.

    Source: the columns of RELION's autopicking (Scheres 2015).
    """
    head = "\ndata_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnAutopickFigureOfMerit #3\n"
    for name, picks in particles.items():
        rows = zip(picks.points.tolist(), picks.scores.tolist(), strict=True)
        lines = [f"{x:12.3f} {y:12.3f} {score:12.5f}\n" for (x, y), score in rows]
        file = folder / Path(name).with_name(f"{Path(name).stem}_autopick.star")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, head + "".join(lines))


def _list_files(images: Path) -> tuple[Path, Sequence[Path]]:
    """Return the folder that names are relative to, and the micrographs."""
    if images.is_file():
        return images.parent, [images]
    files = sorted(path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(f"images={images} has no micrograph; give a folder with {', '.join(SUFFIXES)} files.")
    return images, files


if __name__ == "__main__":
    run_command(main)
