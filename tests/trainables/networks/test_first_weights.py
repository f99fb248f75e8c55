"""First weights from a file, in all variants: what arrives is the file's, and what does not is told and counted."""

import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
import timm
import torch

from search.space import Space
from tests.support import first_weights as support
from tests.support.first_weights import (
    CHANNELS,
    CLASSES,
    VARIANTS,
    build,
    head_name,
    overrides,
    random_tensors,
    save,
    space,
)
from tests.support.gaze_networks import random_network
from tests.support.repository import ROOT
from trainables.base_config import NetworkField
from trainables.networks.first_weights import check_fit, create_network
from trainables.settings import Notice, UsageError

PREFIXES = ["", "module.", "model.", "backbone.", "encoder.", "_orig_mod.module.", "classifier.net.", "a.b.c.net.1."]
WITH_NETWORK_PARTS = [name for name in VARIANTS if name != "entropy_reg"]  # its exports have no backbone


def assert_arrived(variant, network, tensors):
    """Every tensor of the network's body is the file's, the stem as timm adapts it."""
    stem = network.pretrained_cfg["first_conv"] + ".weight"
    for name, value in network.state_dict().items():
        file_name = name if name in tensors else name.replace("_", ".", 1)
        if name.startswith(head_name(variant)) and CLASSES[variant] != 1000:
            continue
        expected = tensors[file_name]
        if file_name == stem and CHANNELS[variant] == 1:
            expected = expected.sum(dim=1, keepdim=True)
        torch.testing.assert_close(value, expected, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_s_values_arrive_whatever_prefix_its_names_have(variant, prefix, tmp_path):
    tensors = random_tensors(variant)
    file = save(tmp_path / "w.safetensors", tensors, prefix)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        space(variant, file).check_start()
    network = build(variant, file)
    assert_arrived(variant, network, tensors)
    facts = network.first_weights.facts
    assert facts["file"] == str(file)
    assert facts.get("prefix", "") == prefix
    same, total = support.count(tensors, network, variant)
    assert same == total
    assert facts["taken"] == f"{total} of {total} tensors"


NESTS = {
    "plain": lambda tensors: tensors,
    "state_dict": lambda tensors: {"epoch": 3, "state_dict": {f"module.{name}": t for name, t in tensors.items()}},
    "model": lambda tensors: {"model": tensors, "optimizer": {"state": {0: torch.zeros(3)}}},
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_of_torch_is_read_wherever_the_weights_are_in_it(variant, nest, is_zip, tmp_path):
    tensors = random_tensors(variant)
    torch.save(nest(tensors), tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    space(variant, tmp_path / "w.pth").check_start()
    assert_arrived(variant, build(variant, tmp_path / "w.pth"), tensors)


def test_of_averaged_and_last_weights_the_averaged_ones_are_taken_as_timm_does(tmp_path):
    last, average = random_tensors("noise_mask"), random_tensors("noise_mask", seed=8)
    torch.save({"state_dict": last, "state_dict_ema": average}, tmp_path / "w.pth")
    assert_arrived("noise_mask", build("noise_mask", tmp_path / "w.pth"), average)


@pytest.mark.parametrize("variant", WITH_NETWORK_PARTS)
def test_an_export_s_weights_fit_by_their_prefix(variant, tmp_path):
    config = space(variant, "none").config({})
    networks = support.modules(variant, config)
    source = support.timm_part(variant, networks)
    tensors = {
        f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()
    }
    file = save(tmp_path / "model.safetensors", tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        space(variant, file).check_start()
    torch.manual_seed(2)
    network = build(variant, file)
    for name, value in source.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_an_export_without_the_network_is_refused(tmp_path):
    file = save(tmp_path / "model.safetensors", random_network().state_dict())
    with pytest.raises(UsageError, match=r"has none of the \d+ tensors that backbone=resnet10t needs: its first is "):
        space("entropy_reg", file).check_start()


def test_feature_maps_have_other_names_in_timm_and_their_export_fits_the_whole_network(tmp_path):
    """timm calls `stages.0` of a network `stages_0` in its feature maps."""
    maps = timm.create_model("convnext_atto", features_only=True, in_chans=1)
    assert "stages_0.blocks.0.conv_dw.weight" in maps.state_dict()
    file = save(tmp_path / "model.safetensors", maps.state_dict(), "unet.encoder.model.")
    classifier = build("mask_st", file)
    for name, value in maps.state_dict().items():
        assert torch.equal(classifier.state_dict()[name.replace("_", ".", 1)], value), name
    assert classifier.first_weights.facts["head"] == "not in the file"


@pytest.mark.parametrize("name", ["convnext_atto", "densenet121", "efficientnet_lite0", "vit_tiny_patch16_224"])
def test_feature_maps_take_the_weights_of_the_whole_network(name, tmp_path):
    whole = timm.create_model(name)
    file = save(tmp_path / "w.safetensors", whole.state_dict())
    maps = create_network(name, str(file), features_only=True)
    assert maps.first_weights.facts["taken"].split()[0] == maps.first_weights.facts["taken"].split()[2]
    for own, value in maps.state_dict().items():
        timm_name = {own, own.replace("_", ".", 1), own.removeprefix("model.")} & set(whole.state_dict())
        assert torch.equal(value, whole.state_dict()[timm_name.pop()]), own


def test_names_of_another_publisher_are_translated_by_timm_s_filter(tmp_path):
    """Facebook's ConvNeXt has other names, under `model`."""
    tensors = random_tensors("mask_st")
    rules = [(r"^stem\.", "downsample_layers.0."), (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
             (r"^stages\.(\d)\.blocks\.", r"stages.\1."), (r"conv_dw", "dwconv"), (r"mlp\.fc(\d)", r"pwconv\1"),
             (r"^head\.norm", "norm"), (r"^head\.fc", "head")]  # fmt: skip

    def rename(name):
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    torch.save({"model": {rename(name): value for name, value in tensors.items()}}, tmp_path / "fb.pth")
    assert_arrived("mask_st", build("mask_st", tmp_path / "fb.pth"), tensors)


def test_a_filter_of_timm_that_takes_the_names_alone_is_used_too(tmp_path):
    """The published densenet121 has names from before its layers were called `norm1` and `conv1`."""
    tensors = timm.create_model("densenet121").state_dict()
    old = {re.sub(r"(denselayer\d+\.(norm|conv))(\d)", r"\1.\3", name): value for name, value in tensors.items()}
    assert len(set(old) & set(tensors)) < 100
    network = create_network("densenet121", str(save(tmp_path / "w.safetensors", old)))
    assert all(torch.equal(value, tensors[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("features", [{}, {"features_only": True}], ids=["whole", "maps"])
def test_positions_of_another_image_size_are_resampled_by_timm_s_filter(features, tmp_path):
    file = save(tmp_path / "w.safetensors", timm.create_model("vit_tiny_patch16_224").state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        check_fit(NetworkField("backbone", features_only=bool(features)), "vit_tiny_patch16_384", str(file))
    taken = create_network("vit_tiny_patch16_384", str(file), **features).first_weights.facts["taken"].split()
    assert taken[0] == taken[2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_of_another_depth_is_told_with_the_counts_and_described(variant, tmp_path):
    tensors = random_tensors(variant)
    fewer = {name: value for name, value in tensors.items() if not name.startswith(("layer3.", "stages.2.blocks.1"))}
    fewer |= {"layer9.0.conv1.weight": torch.zeros(3, 3)}
    file = save(tmp_path / "w.safetensors", fewer, "model.")
    network = build(variant, file)
    same, total = support.count(fewer, network, variant)
    assert 0 < same < total
    assert network.first_weights.facts["taken"] == f"{same} of {total} tensors"
    field = space(variant, file).entry.Config.NETWORKS[0].name
    with pytest.warns(Notice, match=f"gives {same} of the {total} tensors of {field}=") as notices:
        space(variant, file).check_start()
    assert f"(missing: {total - same}, such as " in str(notices[0].message)


def test_a_resnet18_in_a_resnet34_is_told_with_the_counts(tmp_path):
    file = save(tmp_path / "w.safetensors", timm.create_model("resnet18").state_dict())
    names = {
        kind: {k for k in timm.create_model(kind).state_dict() if not k.startswith("fc.") and "num_batches" not in k}
        for kind in ("resnet18", "resnet34")
    }
    same, total = len(names["resnet18"] & names["resnet34"]), len(names["resnet34"])
    with pytest.warns(
        Notice, match=rf"gives {same} of the {total} tensors of backbone=resnet34 \(missing: {total - same}, "
    ):
        space("noise_mask", file, backbone="resnet34").check_start()


@pytest.mark.parametrize("variant", CLASSES)
def test_a_head_of_another_size_is_left_out_whole_and_named(variant, tmp_path):
    head, tensors = head_name(variant), random_tensors(variant)
    tensors |= {f"{head}.weight": torch.ones(7, tensors[f"{head}.weight"].shape[1])}
    tensors |= {f"{head}.bias": torch.full((CLASSES[variant],), 5.0)}  # which alone would fit
    file = save(tmp_path / "w.safetensors", tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        space(variant, file).check_start()
    network = build(variant, file)
    assert not torch.any(network.state_dict()[f"{head}.bias"] == 5)
    width = tensors[f"{head}.weight"].shape[1]
    assert network.first_weights.facts["head"] == (
        f"left out, for {head}.weight is [7, {width}] in the file and [{CLASSES[variant]}, {width}] in the network"
    )


@pytest.mark.parametrize("variant", [name for name in CLASSES if name != "entropy_reg"])
def test_a_head_of_the_same_size_is_taken(variant, tmp_path):
    tensors = random_tensors(variant, num_classes=CLASSES[variant])
    network = build(variant, save(tmp_path / "w.safetensors", tensors))
    for part in ("weight", "bias"):
        assert torch.equal(
            network.state_dict()[f"{head_name(variant)}.{part}"], tensors[f"{head_name(variant)}.{part}"]
        )
    assert "head" not in network.first_weights.facts


@pytest.mark.parametrize(("before", "after"), [(3, 1), (3, 2), (3, 4), (3, 5), (1, 3), (1, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_stem_is_adapted_to_other_channels_as_timm_does(before, after, dtype, tmp_path):
    tensors = random_tensors("noise_mask", in_chans=before)
    weight = tensors["conv1.0.weight"].to(dtype)
    file = save(tmp_path / "w.safetensors", tensors | {"conv1.0.weight": weight})
    network = create_network("resnet10t", str(file), in_chans=after)
    expected = timm.models.adapt_input_conv(after, weight, base_chans=before).float()
    torch.testing.assert_close(network.state_dict()["conv1.0.weight"], expected, rtol=0, atol=0)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_an_adapted_stem_sees_in_a_grey_image_what_the_file_s_sees(before, after, tmp_path):
    tensors = random_tensors("noise_mask", in_chans=before)
    stems = [
        create_network("resnet10t", str(save(tmp_path / f"{channels}.safetensors", tensors)), in_chans=channels).conv1[
            0
        ]
        for channels in (before, after)
    ]
    grey = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    maps = [stem(grey.expand(-1, channels, -1, -1)) for stem, channels in zip(stems, (before, after), strict=True)]
    torch.testing.assert_close(*maps, rtol=1e-4, atol=1e-5)


def test_a_stem_that_cannot_be_adapted_is_told(tmp_path):
    file = save(tmp_path / "w.safetensors", random_tensors("noise_mask", in_chans=6))
    with pytest.warns(
        Notice, match=r"\(of another shape: 1, as conv1\.0\.weight is \[24, 6, 3, 3\] in the file and \[24, 3,"
    ):
        space("noise_mask", file, channels=3).check_start()


def test_a_grey_network_s_file_fits_a_network_of_colour_images(tmp_path):
    file = save(tmp_path / "w.safetensors", random_tensors("noise_mask", in_chans=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        space("noise_mask", file, channels=3).check_start()


REFUSALS = {
    "empty": (b"", "is neither safetensors nor a state dict"),
    "text": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 123\n", "is neither safetensors"),
    "huge header": (b"\xff" * 64, "is neither safetensors"),
    "zip": (b"PK\x03\x04" + b"x" * 200, "is neither safetensors"),
    "pickle": (b"\x80\x02}q\x00.", "is neither safetensors|holds no tensors"),
    "no tensors": ((2).to_bytes(8, "little") + b"{}", "holds no tensors"),
}


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_that_is_none_is_refused_in_a_sentence(variant, kind, tmp_path):
    content, match = REFUSALS[kind]
    (tmp_path / "w.safetensors").write_bytes(content)
    for attempt in (lambda: space(variant, tmp_path / "w.safetensors").check_start(),
                    lambda: build(variant, tmp_path / "w.safetensors")):  # fmt: skip
        with pytest.raises(UsageError, match=match) as refusal:
            attempt()
        assert "\n" not in str(refusal.value)
        assert str(tmp_path / "w.safetensors") in str(refusal.value)


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "old.pth"])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_truncated_file_is_refused_in_a_sentence(variant, share, suffix, tmp_path):
    file, tensors = tmp_path / f"w.{suffix}", random_tensors(variant)
    if suffix == "safetensors":
        save(file, tensors)
    else:
        torch.save(tensors, file, _use_new_zipfile_serialization=suffix == "pth")
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UsageError, match="is neither safetensors nor"):
        space(variant, file).check_start()


class Surprise:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_checkpoint_s_own_code_does_not_run(tmp_path, capsys):
    torch.save({"state_dict": random_tensors("noise_mask"), "more": Surprise()}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="is neither safetensors nor a state dict"):
        space("noise_mask", tmp_path / "w.pth").check_start()
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_folder_is_no_file(variant, tmp_path):
    with pytest.raises(UsageError, match="is no file: write none, timm, or the path"):
        space(variant, tmp_path).check_start()


def test_of_an_export_s_folder_the_file_in_it_is_named(tmp_path):
    file = save(tmp_path / "model.safetensors", random_tensors("noise_mask"))
    with pytest.raises(UsageError) as refusal:
        space("noise_mask", tmp_path).check_start()
    assert str(refusal.value) == f"weights={tmp_path} is a folder: give a file, such as {file}."


STRANGERS = {
    "one name": {"a": torch.zeros(1)},
    "other names": {f"trunk.part{n}.kernel": torch.zeros(3, 3) for n in range(9)},
    "integers": {"conv1.weight": torch.zeros(64, 3, 7, 7, dtype=torch.int8)},
    "counters": {"bn1.num_batches_tracked": torch.tensor(3)},
}


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_that_gives_nothing_is_refused_with_a_name_of_it_and_one_of_the_network(variant, kind, tmp_path):
    file, names = save(tmp_path / "w.safetensors", STRANGERS[kind]), list(STRANGERS[kind])
    own = timm.create_model(support.network_name(variant)).state_dict()
    for attempt in (lambda: space(variant, file).check_start(), lambda: build(variant, file)):
        with pytest.raises(UsageError, match=r"has none of the \d+ tensors") as refusal:
            attempt()
        sentence = str(refusal.value)
        assert any(name in sentence for name in names)
        assert any(name in sentence or name.replace(".", "_", 1) in sentence for name in own)


def test_a_file_of_other_widths_is_refused_with_both_shapes(tmp_path):
    file = save(tmp_path / "w.safetensors", {"bn1.weight": torch.ones(5), "conv1.0.weight": torch.ones(5, 3, 3, 3)})
    with pytest.raises(
        UsageError, match=r"conv1\.0\.weight is \[5, 3, 3, 3\] in the file and \[24, 1, 3, 3\] in the n"
    ):
        space("noise_mask", file).check_start()


def test_every_network_that_a_search_may_give_the_file_to_is_checked(tmp_path):
    file = save(tmp_path / "w.safetensors", random_tensors("noise_mask"))
    choice = {"params": {"backbone": {"choice": ["resnet10t", "convnext_atto"]}}}
    with pytest.raises(UsageError, match="has none of the 126 tensors that backbone=convnext_atto needs"):
        Space.load("noise_mask", {"fixed": {"weights": str(file)}, **choice}).check_start()


@pytest.mark.parametrize("allowed", ["resnet10t", "convnext_atto"])
def test_a_condition_decides_which_pairs_of_network_and_file_are_checked(allowed, tmp_path):
    file = str(save(tmp_path / "w.safetensors", random_tensors("noise_mask")))
    params = {
        "backbone": {"choice": ["resnet10t", "convnext_atto"]},
        "weights": {"choice": ["none", file], "when": {"backbone": allowed}},
    }
    search_space = Space.load("noise_mask", {"params": params})
    if allowed == "resnet10t":
        search_space.check_start()
    else:
        with pytest.raises(UsageError, match="backbone=convnext_atto needs"):
            search_space.check_start()


def test_timm_s_weights_of_a_network_that_has_none_are_refused():
    name = (set(timm.list_models("convnext*")) - {full.split(".")[0] for full in timm.list_pretrained()}).pop()
    with pytest.raises(UsageError, match=f"weights=timm: timm has no weights of backbone={name}: give a file"):
        space("mask_st", "timm", backbone=name).check_start()


def test_first_weights_are_drawn_as_without_a_file(tmp_path):
    """What a file does not give, and all that is drawn after it, are the numbers of a network without a file."""
    file = save(tmp_path / "w.safetensors", {"layer1.0.bn1.weight": torch.ones(64)})
    drawn = {}
    for weights in ("none", str(file)):
        network = build("noise_mask", weights)
        drawn[weights] = (network.state_dict(), torch.rand(3))
    same = [name for name in drawn["none"][0] if name != "layer1.0.bn1.weight"]
    assert all(torch.equal(drawn["none"][0][name], drawn[str(file)][0][name]) for name in same)
    assert torch.equal(drawn["none"][1], drawn[str(file)][1])


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_convnext_s_stem_has_a_bias_unless_the_file_has_one(with_bias, tmp_path):
    """Masked-out pixels are 0: with biases of 0 gradients would be 10¹⁰ times too large."""
    tensors = random_tensors("mask_st") | {"stem.0.bias": torch.zeros(40)}
    if not with_bias:
        del tensors["stem.0.bias"]
    network = build("mask_st", save(tmp_path / "w.safetensors", tensors))
    assert bool(network.state_dict()["stem.0.bias"].any()) is not with_bias


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_describes_its_first_weights_for_the_card_and_the_export(variant, tmp_path):
    tensors = random_tensors(variant)
    file = save(tmp_path / "w.safetensors", tensors, "model.")
    small = Space.load(
        variant, {**overrides(variant, file), "data": {"cache": str(tmp_path / "cache"), "val_size": 12}}
    )
    config = small.config({})
    facts = small.entry.build(config, small.data, splits=("val",)).describe()["first_weights"]
    assert json.loads(json.dumps(facts)) == facts
    assert facts.items() >= {"file": str(file), "prefix": "model."}.items()
    assert (
        "first_weights"
        not in small.entry.build(replace(config, weights="none"), small.data, splits=("val",)).describe()
    )


def test_first_weights_that_an_export_has_replaced_are_not_described(tmp_path):
    file = save(tmp_path / "w.safetensors", random_tensors("noise_mask"))
    small = Space.load("noise_mask", {**overrides("noise_mask", file), "data": {"cache": str(tmp_path / "cache")}})
    config = replace(small.config({}), init_from=str(tmp_path))
    assert "first_weights" not in small.entry.build(config, small.data, splits=("val",)).describe()


def test_without_a_file_a_check_imports_neither_torch_nor_timm():
    code = (
        "import sys; from search.space import Space\n"
        "for name in ('mask_st', 'unet_selftrain', 'seq_attention', 'entropy_reg'): Space.load(name).check_start()\n"
        "print({'torch', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
