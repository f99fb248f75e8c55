"""Images and classes of noise_mask: synthetic shapes, or a folder with one subfolder for each class (`folder`)."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.contract import Split
from trainables.images.split import cache_splits
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.sources import folder, synthetic
from trainables.noise_mask.split import ClassImages

SOURCES = {"synthetic": synthetic, "folder": folder}


@cache_splits("image_size", "channels")
def load_split(config: Config, data: Data, split: Split) -> ClassImages:
    """Load a split at the config's size and channels, once per process; only `test` decodes the test split's images.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    images = SOURCES[data.source].load(config, data, split)
    if split == "train":
        return images.standardise().score_as(images, split)
    train = load_split(config, data, "train")
    return images.standardise_with(train).score_as(train, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar, and build the networks once.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few; a network that does not fit.
    """
    for split in splits:
        load_split(config, data, split)
    from trainables.noise_mask import model  # noqa: PLC0415  (mistakes in the data are reported before torch loads)

    model.check(config)
