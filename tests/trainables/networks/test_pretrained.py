"""Networks by name, which are asked for before a search begins, and the setting `weights` of timm models."""

import pytest

from search.space import Space
from trainables import registry
from trainables.networks.pretrained import check_file, check_networks
from trainables.settings import UsageError


@pytest.mark.parametrize("weights", ["missing.safetensors", "imagenet"])
def test_a_path_without_a_file_is_refused(weights):
    with pytest.raises(UsageError, match=f"weights={weights} is no file: write none, timm, or the path"):
        check_file(weights)


NETWORK_FIELDS = [(name, field) for name in registry.names() for field in registry.load(name).Config.NETWORKS]


def test_every_variant_names_its_networks():
    assert {name for name, _ in NETWORK_FIELDS} == set(registry.names())


@pytest.mark.parametrize(("name", "field"), NETWORK_FIELDS)
def test_a_network_that_there_is_not_is_refused_before_a_search(name, field):
    """mask_st let `convnext_tinny` through, and each trial of the search failed."""
    with pytest.raises(UsageError) as refusal:
        Space.load(name, {"fixed": {field.name: "convnext_tinny", **layers(name)}}).check_start()
    sentence = str(refusal.value)
    assert sentence.startswith(f"{field.name}=convnext_tinny is no ")
    assert all(suggestion in sentence for suggestion in (*field.builtin, field.example))
    assert "timm.list_models(" in sentence


@pytest.mark.parametrize(("name", "field"), NETWORK_FIELDS)
def test_a_searched_network_that_there_is_not_is_refused_before_a_search(name, field):
    default = Space.load(name).config({})
    choices = [getattr(default, field.name), "resnet1000"]
    with pytest.raises(UsageError, match=f"{field.name}=resnet1000 is no "):
        Space.load(name, {"params": {field.name: {"choice": choices}}}).check_start()


@pytest.mark.parametrize("name", registry.names())
def test_the_networks_of_every_space_s_default_exist(name):
    check_networks(Space.load(name).config({}))


def test_mask_st_takes_networks_of_its_family_alone():
    with pytest.raises(UsageError, match=r"backbone=resnet18 is no convnext model of timm: take micro, or one of"):
        Space.load("mask_st", {"fixed": {"backbone": "resnet18"}}).check_start()


@pytest.mark.parametrize("name", registry.names())
def test_weights_without_a_file_are_refused_before_a_search(name, tmp_path):
    field = registry.load(name).Config.NETWORKS[0]
    network = "convnext_atto" if name == "mask_st" else "resnet18"
    overrides = {"fixed": {field.name: network, "weights": f"{tmp_path}/missing.safetensors", **layers(name)}}
    with pytest.raises(UsageError, match=r"weights=.*missing\.safetensors is no file"):
        Space.load(name, overrides).check_start()


@pytest.mark.parametrize(("name", "field"), NETWORK_FIELDS)
def test_a_network_that_there_is_not_is_refused_also_where_a_variant_is_built_without_a_check(name, field):
    entry = registry.load(name)
    config = Space.load(name, {"fixed": {field.name: "resnet_nope", **layers(name)}}).config({})
    with pytest.raises(UsageError, match=f"{field.name}=resnet_nope is no .*: take "):
        entry.build(config, entry.Data())


def test_a_network_that_is_not_built_need_not_exist():
    overrides = {"params": {"objective": "none"}, "fixed": {"policy_backbone": "resnet_nope"}}
    Space.load("noise_mask", overrides).check_start()


def test_searched_weights_without_a_file_are_refused_before_a_search(tmp_path):
    choice = ["none", f"{tmp_path}/missing.safetensors"]
    overrides = {"fixed": {"backbone": "resnet18"}, "params": {"weights": {"choice": choice}}}
    with pytest.raises(UsageError, match=r"weights=.*missing\.safetensors is no file"):
        Space.load("seq_attention", overrides).check_start()


def layers(name: str) -> dict[str, str]:
    """Name the layers that entropy_reg reads of a backbone that is not its own."""
    return {"layers": "layer4"} if name == "entropy_reg" else {}
