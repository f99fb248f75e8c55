"""The data of mask_st: the source of a split, its calibration part, and how its pixels are standardised.

Images of every source are grey and stored with one channel; a model that takes three repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainables.contract import Split
from trainables.images.split import cache_splits
from trainables.images.squares import split_by_group
from trainables.mask_st.config import Config, Data
from trainables.mask_st.sources import nih, synthetic
from trainables.mask_st.split import Examples

SOURCES = {"synthetic": synthetic, "nih": nih}


@cache_splits("image_size")
def load_split(config: Config, data: Data, split: Split) -> Examples:
    """Load one split at the config's image size; only `test` reads the images of the test list.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    examples = SOURCES[data.source].load(config, data, split)
    if split == "val":
        calibration = split_by_group(examples.patients, data.calibration_share, data.split_seed)
        examples = replace(examples, calibration=calibration)
    if split == "train":
        return examples.standardise().score_as(examples, split)
    train = load_split(config, data, "train")
    return examples.standardise_with(train).score_as(train, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that image size.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    for split in splits:
        load_split(config, data, split)
