"""The setting `weights` of timm models."""

import pytest

from trainables.networks.pretrained import timm_arguments
from trainables.settings import UsageError


def test_a_file_takes_the_place_of_what_timm_would_fetch(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.touch()
    overlay = timm_arguments(str(file))["pretrained_cfg_overlay"]
    assert overlay == {"file": str(file), "hf_hub_id": None}
    assert timm_arguments("timm") == {"pretrained": True}
    assert timm_arguments("none") == {"pretrained": False}


@pytest.mark.parametrize("weights", ["missing.safetensors", "imagenet"])
def test_a_path_without_a_file_is_refused(weights):
    with pytest.raises(UsageError, match=f"weights={weights} is no file: write none, timm, or the path"):
        timm_arguments(weights)
