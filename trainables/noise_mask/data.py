"""Images and classes of noise_mask: synthetic shapes, or a folder with one subfolder for each class (`folder`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from trainables.contract import Split
from trainables.noise_mask import folder, synthetic
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.labelled import Labelled


def load(config: Config, data: Data, split: Split) -> Labelled:
    """One split at the config's size and channels, made once per process; only `test` decodes the test split's images.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    return _loaded(config.image_size, config.channels, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar, and see that there are such networks.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few; a backbone that there is not.
    """
    for split in splits:
        load(config, data, split)
    from trainables.noise_mask import model  # noqa: PLC0415  (mistakes in the data are told before torch loads)

    model.check(config)


@lru_cache(maxsize=8)
def _loaded(size: int, channels: int, data: Data, split: Split) -> Labelled:
    source = synthetic if data.source == "synthetic" else folder
    labelled = source.load(size, channels, data, split)
    return (
        labelled.standardise()
        if split == "train"
        else labelled.standardise_like(_loaded(size, channels, data, "train"))
    )
