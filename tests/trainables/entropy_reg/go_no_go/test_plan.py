"""The plan of a go/no-go: which data are out of domain, and which must not be."""

from dataclasses import replace

import pytest

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.go_no_go.plan import choose_ood
from trainables.settings import UsageError


def test_out_of_domain_is_without_centre_bias_or_cropped_unless_it_is_said(tmp_path):
    assert choose_ood(Data(), {}) == Data(bias="none")
    real = Data(source="mit1003", root=str(tmp_path))
    assert choose_ood(real, {}) == replace(real, crop=0.7)
    other = {"source": "pysaliency", "fold": 2}
    assert choose_ood(real, other) == replace(real, **other)


@pytest.mark.parametrize("change", [{"fold": 2}, {"folds": 5}, {"split_seed": 1}])
def test_images_that_were_trained_on_are_not_judged_out_of_domain(tmp_path, change):
    """Split the same images in another way: a test image of the one split is a training image of the other."""
    real = Data(source="mit1003", root=str(tmp_path))
    with pytest.raises(UsageError, match=rf"ood\.{next(iter(change))}=.* leave it out"):
        choose_ood(real, {"crop": 0.5, **change})
    assert choose_ood(real, {"root": str(tmp_path / "other"), **change}).root != real.root
