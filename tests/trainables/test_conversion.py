"""No field of any settings takes a value that no machine could serve; every refusal is one short sentence."""

import pytest
import torch

from tests.support.fields import FIELDS, KINDS, annotation, every_field, refusal
from trainables.conversion import LARGEST_SEED

SEEDS = [(kind, name) for kind, name in FIELDS if name.endswith("seed")]
WHOLE = [(kind, name) for kind, name in FIELDS if KINDS[kind].number_type(name) is int]
NUMBERS = [(kind, name) for kind, name in FIELDS if KINDS[kind].number_type(name) is not None]
TEXTS = [(kind, name) for kind, name in FIELDS if annotation(kind, name) in ("str", "str | None")]
PATHS = [("init_from", "root"), ("cache", "weights"), ("name", "storage"), ("resume", "space")]


def test_the_fields_are_sorted_by_what_they_hold():
    assert len(SEEDS) >= 6
    assert len(NUMBERS) > len(WHOLE) > 50
    assert len(TEXTS) > 20


@every_field
@pytest.mark.parametrize("value", [10**400, -(10**400), 2**64, float("inf"), float("-inf"), float("nan"), 1e300])
def test_a_number_that_no_machine_has_is_refused_by_every_field_but_those_of_text(kind, name, value):
    if (kind, name) not in TEXTS:
        refusal(kind, name, value)


@every_field
@pytest.mark.parametrize("value", ["x" * 10**6, "x\0y", "x\ny", ["x"] * 10**5, {"x": "y" * 10**6}])
def test_a_text_without_end_and_a_heap_of_values_are_refused_by_every_field(kind, name, value):
    refusal(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), [field for field in WHOLE if field not in SEEDS])
@pytest.mark.parametrize("value", [10**9, 10**12, 2**31])
def test_a_count_or_size_beyond_any_machine_is_refused(kind, name, value):
    assert "out of range" in refusal(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), [field for field in WHOLE if "size" in field[1] and "image" in field[1]])
def test_an_image_has_a_largest_side(kind, name):
    assert "16384" in refusal(kind, name, 10**5)


@pytest.mark.parametrize(("kind", "name"), SEEDS)
def test_a_seed_is_of_64_bits_and_torch_takes_the_largest(kind, name):
    for value in (-1, 2**63, 2**64, 2**65, 1e19):
        refusal(kind, name, value)
    assert KINDS[kind].convert(name, LARGEST_SEED) == LARGEST_SEED
    torch.manual_seed(LARGEST_SEED)


@pytest.mark.parametrize(("kind", "name"), [field for field in TEXTS if any(field[1] in names for names in PATHS)])
@pytest.mark.parametrize("value", ["x" * 256, "here/" + "é" * 200, "~nobody-of-that-name/x"])
def test_a_path_that_no_file_can_have_is_refused(kind, name, value):
    refusal(kind, name, value)


@every_field
def test_the_default_of_every_field_is_accepted(kind, name):
    default = getattr(KINDS[kind](), name)
    assert KINDS[kind].convert(name, default) == default
