"""Images and fixations of entropy_reg: synthetic ones, or a data set's, in folds of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainables.contract import Split
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.sources import fixations, mit1003, pysaliency, synthetic
from trainables.entropy_reg.split import Stimuli
from trainables.images.split import cache_splits

SOURCES = {"synthetic": synthetic, "fixations": fixations, "mit1003": mit1003, "pysaliency": pysaliency}


@cache_splits("image_size", "shape")
def load_split(config: Config, data: Data, split: Split) -> Stimuli:
    """Load a split at the config's image size, once per process; only `test` decodes the test split's images.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    return _load_whole_images(config, replace(data, crop=1.0), split).crop(data.crop)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits, compute features and fit the centre bias; the same for all trials of those settings.

    Raises:
        UsageError: a backbone, layers or weights that there are not; or as `load_split` does.
    """
    stimuli = [load_split(config, data, split) for split in splits]
    from trainables.entropy_reg import (  # noqa: PLC0415  (mistakes in the data are reported before torch loads)
        contentless,
        features,
        prior,
    )

    features.prepare_features(config, data, stimuli)
    train = load_split(config, data, "train")
    contentless.prepare_probes(config, data, train, load_split(config, data, "val"))
    prior.fit_prior(train, data)


@cache_splits("image_size", "shape")
def _load_whole_images(config: Config, data: Data, split: Split) -> Stimuli:
    """Load whole images, which their crops share."""
    return SOURCES[data.source].load(config, data, split)
