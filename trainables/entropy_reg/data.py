"""Images and fixations of entropy_reg: synthetic ones, or a data set's, in folds of images."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.contract import Split
from trainables.entropy_reg import scanpaths
from trainables.entropy_reg.config import CELL, Config, Data
from trainables.entropy_reg.scanpaths import Fixations, Listed
from trainables.entropy_reg.sources import fixations, mit1003, pysaliency, synthetic
from trainables.entropy_reg.stimuli import Shape, Stimuli
from trainables.images.cache import Picture, ImageStore, decode_files
from trainables.images.squares import PILLOW_ERRORS, to_eight_bits, rank_key, describe_error
from trainables.settings import Notice, UsageError

_METHOD = "rgb bilinear to a shape 1"  # part of the key: change it whenever the same file would give other pixels
_READERS = {"fixations": fixations.listed, "mit1003": mit1003.listed, "pysaliency": pysaliency.listed}
_TURNED = 1.05  # coordinates for an image of another aspect ratio than the file's are those of another image


def load(config: Config, data: Data, split: Split) -> Stimuli:
    """One split at the config's image size, made once per process; only `test` decodes the test split's images.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    return _loaded(config.image_size, config.shape, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits, compute features and fit the centre bias; the same for all trials of those settings.

    Raises:
        UsageError: a backbone, layers or weights that there are not; or as `load` does.
    """
    stimuli = [load(config, data, split) for split in splits]
    from trainables.entropy_reg import contentless, features, prior  # noqa: PLC0415  (mistakes are told before torch)

    features.prepare_features(config, data, stimuli)
    train = load(config, data, "train")
    contentless.prepare_probes(config, data, train, load(config, data, "val"))
    prior.fitted(train, data)


def folds(names: Sequence[str], number: int, seed: int) -> np.ndarray:
    """The fold of every image, int64 `[N]`, 0 to number − 1: images ranked by a digest of seed and name, then in turn.

    Neither the order of files nor the version of a random generator matters.

    Raises:
        UsageError: fewer images than folds.
    """
    if len(names) < number:
        raise UsageError(f"{len(names)} images with fixations are too few for data.folds={number}: lower it.")
    ranked = sorted(range(len(names)), key=lambda place: rank_key(seed, names[place]))
    found = np.empty(len(names), dtype=np.int64)
    found[ranked] = np.arange(len(names)) % number
    return found


@lru_cache(maxsize=8)
def _loaded(size: int, shape: str, data: Data, split: Split) -> Stimuli:
    if data.source == "synthetic":
        return synthetic.load(size, data, split).cropped(data.crop)
    return _decoded(size, shape, replace(data, crop=1.0), split).cropped(data.crop)


@lru_cache(maxsize=8)
def _decoded(size: int, shape: str, data: Data, split: Split) -> Stimuli:
    listed = _listed(data)
    numbers = folds([each.name for each in listed], data.folds, data.split_seed)
    test, val = data.fold, (data.fold - 1) % data.folds
    wanted = {"test": numbers == test, "val": numbers == val, "train": (numbers != test) & (numbers != val)}[split]
    asked = [listed[place] for place in np.flatnonzero(wanted)]
    stored = decode_files(
        [each.file for each in asked],
        partial(decode, size=size, shape=shape),
        method=(_METHOD, size, shape),
        cache=data.cache,
        bad_images=data.bad_images,
        title="images",
    )
    kept = [asked[place] for place in stored.indices]
    return _with_fixations(kept, stored, data)


@lru_cache(maxsize=2)
def _listed(data: Data) -> list[Listed]:
    return _READERS[data.source](data)


def _with_fixations(images: list[Listed], stored: ImageStore, data: Data) -> Stimuli:
    """The images that have a fixation to be scored."""
    found = [_scaled(each, stored, place, data) for place, each in enumerate(images)]
    scored = sum(len(each.points) for each in found)
    all_of_them = sum(len(path) - data.forced for each in images for path in each.scanpaths)
    if scored < all_of_them:
        warnings.warn(
            f"{all_of_them - scored} of {all_of_them} fixations lie outside their image and are not scored.",
            Notice,
            stacklevel=2,
        )
    kept = [place for place, each in enumerate(found) if len(each.points)]
    if not all_of_them:
        raise UsageError(
            f"every scanpath of these {len(images)} images has one fixation, which is for the history alone: say "
            "data.first_fixation=scored."
        )
    if not kept:
        raise UsageError(f"no fixation of these {len(images)} images lies inside its image; check the coordinates.")
    return Stimuli(
        key=(stored.key, kept),
        names=[images[place].name for place in kept],
        pixels=[stored[place] for place in kept],
        fixations=[found[place] for place in kept],
        bad=stored.bad,
    )


def _scaled(image: Listed, stored: ImageStore, place: int, data: Data) -> Fixations:
    """An image's fixations in pixels of the image as it is stored."""
    width, height = image.size or tuple(stored.sizes[place].tolist())
    file_width, file_height = stored.sizes[place].tolist()
    aspect = (width * file_height) / (height * file_width)
    if max(aspect, 1 / aspect) > _TURNED:
        raise UsageError(
            f"{image.name} is {file_width}×{file_height} pixels, but its fixations are for {width}×{height}: "
            "give the images that were shown."
        )
    rows, columns = stored.shapes[place][:2]
    factor = np.array([columns / width, rows / height], np.float32)
    paths = tuple((path * factor).astype(np.float32) for path in image.scanpaths)
    return scanpaths.fixations(paths, columns, rows, forced=data.forced)


def decode(file: Path, size: int, shape: str) -> Picture | str:
    """The image at the network's size, or the reason why there is none."""
    content = file.read_bytes()  # not in the try: a disk that fails is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(content)) as image:
            height, width = target(image.size, size, shape)
            picture = to_eight_bits(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            return Picture(np.asarray(picture), image.size)
    except PILLOW_ERRORS as error:
        return describe_error(error)


def target(stored: tuple[int, int], size: int, shape: str) -> Shape:
    """Height and width, multiples of 4, of an image of `stored` width and height; the longer one is `size`."""
    width, height = stored
    share = 0.75 if shape == "stretch" else max(1, round(16 * min(stored) / max(stored))) / 16
    shorter = max(CELL, math.floor(size * share / CELL + 0.5) * CELL)
    return (shorter, size) if width >= height else (size, shorter)
