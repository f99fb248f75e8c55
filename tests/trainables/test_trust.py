"""Whose code may run when the folder of a run or an export is read: the project's, and what the user allows by name."""

import sys
from pathlib import Path

import pytest

from analysis.frames.experiment import load as load_experiment
from benchmarks.curves.config import Config, Data
from search.record import RunFolder
from search.request import read
from search.space import Space
from tests.support.packages import SPACE, forget, write_export, write_run, write_variant
from trainables import registry, train, trust
from trainables.export.opened import Export
from trainables.export.recipe import Recipe
from trainables.settings import UsageError

RUN_READERS = {
    "record": lambda run: RunFolder.open(run).space(),
    "resume": lambda run: read([f"resume={run}"], now="0102-0304"),
    "analysis": load_experiment,
    "space of the run": lambda run: Space.load(str(run / "space.yaml")),
}
EXPORT_READERS = {
    "recipe": lambda folder: Recipe.read(folder / "config.yaml", {}, {}),
    "train": lambda folder: train.main([f"config={folder / 'config.yaml'}", "device=cpu"]),
    "predictor": lambda folder: Export.open(folder, Config, Data),
}
READERS = {**{name: (write_run, read) for name, read in RUN_READERS.items()}} | {
    name: (write_export, read) for name, read in EXPORT_READERS.items()
}
readers = pytest.mark.parametrize("reader", READERS)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make a folder of the user's own, in which commands are given, so that Python imports from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    yield tmp_path
    forget("sent", "lab", "linked", "shared")


def refusal(reader: str, folder: Path, name: str) -> str:
    write, read = READERS[reader]
    with pytest.raises(UsageError) as error:
        read(write(folder, name))
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


@readers
@pytest.mark.parametrize("inside", [True, False])
def test_what_is_read_names_no_package_that_the_user_has_not_allowed(home, reader, inside):
    folder = home / "sent" / "one"
    write_variant(folder if inside else home / "lab", home / "ran")
    (home / "lab").mkdir(exist_ok=True)
    name = "sent.one" if inside else "lab.own"
    if not inside:
        write_variant(home / "lab" / "own", home / "ran")
    sentence = refusal(reader, folder, name)
    assert name in sentence
    assert f"export ASSAY_VARIANTS={name}" in sentence
    assert not (home / "ran").exists()
    assert not any(module.startswith(("sent", "lab")) for module in sys.modules)


@readers
@pytest.mark.parametrize("allowed", ["sent", "sent.one", "other, sent.one", "sent.one.deep"])
@pytest.mark.parametrize("name", ["sent.one", "sent.one.deep"])
def test_nothing_in_the_folder_is_imported_though_it_is_allowed(home, monkeypatch, reader, name, allowed):
    folder = home / "sent" / "one"
    write_variant(folder, home / "ran")
    write_variant(folder / "deep", home / "ran")
    monkeypatch.setenv(trust.VARIABLE, allowed)
    refusal(reader, folder, name)
    assert not (home / "ran").exists()


@readers
def test_links_into_the_folder_and_out_of_it_are_followed(home, monkeypatch, reader):
    folder = home / "received" / "run"
    write_variant(folder / "code", home / "ran")
    write_variant(home / "elsewhere", home / "ran")
    (home / "linked").symlink_to(folder / "code")
    (folder / "lab").mkdir()
    (folder / "lab" / "own").symlink_to(home / "elsewhere")
    monkeypatch.setenv(trust.VARIABLE, "linked,lab")
    (home / "linked2").symlink_to(home / "received")
    monkeypatch.syspath_prepend(str(home / "received"))
    monkeypatch.syspath_prepend(str(folder))
    for name in ("linked.own", "lab.own"):
        (home / "elsewhere" / "own").mkdir(exist_ok=True)
        write_variant(folder / "code" / "own", home / "ran")
        assert "inside of" in refusal(reader, home / "linked2" / "run", name)
    assert not (home / "ran").exists()


@readers
def test_a_namespace_with_a_part_in_the_folder_is_not_imported(home, monkeypatch, reader):
    folder = home / "received"
    write_variant(folder / "shared" / "own", home / "ran")
    write_variant(home / "mine" / "shared" / "other", home / "mine-ran")
    for entry in (folder, home / "mine"):
        monkeypatch.syspath_prepend(str(entry))
    monkeypatch.setenv(trust.VARIABLE, "shared")
    assert "inside of" in refusal(reader, folder, "shared.own")
    assert "inside of" in refusal(reader, folder, "shared.other")
    assert not (home / "ran").exists()


@readers
@pytest.mark.parametrize("allowed", ["lab.own", "lab", " other , lab "])
def test_an_allowed_package_elsewhere_is_loaded(home, monkeypatch, reader, allowed):
    write_variant(home / "lab" / "own", home / "ran")
    monkeypatch.setenv(trust.VARIABLE, allowed)
    write, read = READERS[reader]
    read(write(home / "sent", "lab.own"))
    assert (home / "ran").exists()


@pytest.mark.parametrize("allowed", ["la", "lab.ow", "lab.own.deeper", "own", "", ","])
def test_a_name_allows_what_is_below_it_and_nothing_that_begins_alike(home, monkeypatch, allowed):
    write_variant(home / "lab" / "own", home / "ran")
    monkeypatch.setenv(trust.VARIABLE, allowed)
    refusal("record", home / "sent", "lab.own")
    assert not (home / "ran").exists()


@readers
@pytest.mark.parametrize(
    "name",
    ["..sent", ".config", "sent/one", "sent..one", "trainables.mask_st.sources", "trainables.export", "os.path", "3"],
)
def test_a_name_that_is_no_variant_s_is_refused_whatever_it_points_to(home, reader, name):
    write_variant(home / "sent", home / "ran")
    assert name in refusal(reader, home / "sent", name)
    assert not (home / "ran").exists()


def test_a_package_that_calls_itself_the_project_s_is_not(home, monkeypatch):
    write_variant(home / "benchmarks" / "sent", home / "ran")
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "benchmarks"}
    try:
        refusal("record", home / "received", "benchmarks.sent")
    finally:
        forget("benchmarks")
        sys.modules.update(saved)
    assert not (home / "ran").exists()


@readers
@pytest.mark.parametrize("name", ["benchmarks.curves", "trainables.mask_st"])
def test_the_project_s_own_variants_need_no_word(name, reader, home):
    assert trust.is_of_project(name)
    trust.check_record(name, home)
    assert not trust.allow_command(name)


def test_a_space_that_the_user_names_may_name_any_package(home):
    write_variant(home / "lab" / "own", home / "ran")
    (home / "mine.yaml").write_text(SPACE.format(name="lab.own"))
    assert Space.load("mine.yaml").entry.package == "lab.own"


def test_a_variant_on_the_command_line_is_allowed_by_it_though_the_space_lies_in_a_run(home):
    write_variant(home / "lab" / "own", home / "ran")
    run = write_run(home / "sent", "sent.code")
    write_variant(run / "code", home / "stranger-ran")
    assert Space.load(str(run / "space.yaml"), {"variant": "lab.own"}).entry.package == "lab.own"
    with pytest.raises(UsageError, match="inside of"):
        Space.load(str(run / "space.yaml"), {"variant": "sent.code"})
    assert not (home / "stranger-ran").exists()


def test_a_trial_imports_nothing_from_its_run(home):
    run = write_run(home / "sent", "sent.code")
    write_variant(run / "code", home / "ran")
    with pytest.raises(UsageError, match="inside of"):
        registry.load_outside("sent.code", run)
    assert not (home / "ran").exists()


def test_a_proof_belongs_to_its_run_and_a_training_to_its_export(home, monkeypatch):
    run, export = write_run(home / "run", "lab.own"), write_export(home / "export", "lab.own")
    proof, training = write_run(run / "retrain", "run.code"), write_export(export / "trained", "export.code")
    monkeypatch.setenv(trust.VARIABLE, "run,export")
    for folder, reader in ((proof, RUN_READERS["record"]), (training, EXPORT_READERS["recipe"])):
        write_variant(folder.parent / "code", home / "ran")
        with pytest.raises(UsageError, match="inside of"):
            reader(folder)
    assert not (home / "ran").exists()


def test_a_predictor_of_the_user_s_own_opens_its_exports(home):
    export = write_export(home / "export", "benchmarks.curves")
    assert Export.open(export, Config, Data).config.x == 0.5


def test_the_sentence_of_a_refusal_is_a_command_that_allows(home, monkeypatch):
    monkeypatch.setenv(trust.VARIABLE, "other")
    write_variant(home / "lab" / "own", home / "ran")
    sentence = refusal("record", home / "sent", "lab.own")
    variable, _, value = sentence.partition("export ")[2].rstrip(".").partition("=")
    monkeypatch.setenv(variable, value)
    assert trust.is_allowed("other")
    RUN_READERS["record"](home / "sent")
    assert trust.allow_command("lab.own") == f"export {variable}={value}"
