"""The assessment of splits as a run keeps it."""

import json

import pytest

from trainables import registry
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.files import SPLITS

FINDINGS = (DataFinding("few images", "3 images are few; add some."), DataFinding("one", "Only one.", severe=True))
SMALL = {"mask_st": {"image_size": 32}, "noise_mask": {"image_size": 32, "grid": 8}, "unet_selftrain": {}}
SMALL |= {"seq_attention": {"image_size": 64}, "entropy_reg": {"image_size": 64}}


def test_what_is_written_is_read_back(tmp_path):
    adequacy = Adequacy({"train": "8 images", "val": "3 images"}, FINDINGS, {"val": {"images": 3}})
    adequacy.write(tmp_path)
    assert Adequacy.read(tmp_path) == adequacy
    assert Adequacy.read(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("text", ["", "[]", '{"lines": {}}', '{"lines": {}, "findings": [{}], "facts": {}}', "{"])
def test_a_damaged_file_is_no_assessment(tmp_path, text):
    (tmp_path / SPLITS).write_text(text)
    with pytest.raises(ValueError):
        Adequacy.read(tmp_path)


def test_a_terminal_shows_a_line_per_split_and_then_the_findings():
    lines = Adequacy({"train": "8 images", "val": "3 images"}, FINDINGS).report()
    assert lines == [
        "  train  8 images",
        "  val    3 images",
        "  careful: 3 images are few; add some.",
        "  bad: Only one.",
    ]


@pytest.mark.parametrize("name", registry.names())
def test_every_variant_assesses_its_synthetic_data_before_it_is_built(name):
    entry = registry.load(name)
    adequacy = entry.assess(entry.Config(**SMALL[name]), entry.Data(), ("train", "val", "test"))
    assert list(adequacy.lines) == list(adequacy.facts) == ["train", "val", "test"]
    assert not any(finding.severe for finding in adequacy.findings)
    assert Adequacy.from_dict(json.loads(json.dumps(adequacy.as_dict()))) == adequacy


def test_a_variant_without_the_file_is_not_assessed():
    entry = registry.load("benchmarks.curves")
    assert entry.assess(entry.Config(), entry.Data()) is None
