"""What TensorBoard finds: every figure once per epoch, HParams from the start, pictures, findings."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from tests.support.linear import linear_loop
from trainables.files import RESULT, read_lines
from trainables.training.folder import TrainingFolder
from trainables.training.tensorboard import write_hparams


def seen(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def train(path, epochs, settings=None):
    folder = TrainingFolder(path, linear_loop(epochs=4, sick=(2,)), settings or {"lr": 0.05})
    while folder.loop.epoch_done < epochs:
        folder.run_epoch()
    return folder


def test_every_reported_figure_is_a_scalar_of_its_epoch(tmp_path):
    folder = train(tmp_path, 2)
    lines = read_lines(tmp_path / RESULT)
    scalars = seen(tmp_path)  # not closed yet: a running trial is visible
    folder.close()
    figures = set(lines[0]) - {"epoch", "findings", "stop_reason", "stage"}
    assert set(scalars.Tags()["scalars"]) == figures | {"best/val/mse"}
    for key in figures:
        assert [event.step for event in scalars.Scalars(key)] == [1, 2]
        assert [event.value for event in scalars.Scalars(key)] == pytest.approx([line[key] for line in lines])


def test_an_epoch_that_is_trained_again_appears_once(tmp_path):
    train(tmp_path, 2).close()
    killed = TrainingFolder(tmp_path, linear_loop(epochs=4, sick=(2,)), {})
    killed._events.write_report({"epoch": 3, "val/mse": 99.0, "findings": []})  # killed before its checkpoint
    killed.close()
    train(tmp_path, 4).close()
    events = seen(tmp_path).Scalars("val/mse")
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert 99.0 not in [event.value for event in events]


def test_pictures_and_findings_are_there(tmp_path):
    train(tmp_path, 2).close()
    tags = seen(tmp_path).Tags()
    assert tags["images"] == ["panels/weights"]
    assert "health/text_summary" in tags["tensors"]


def hparams(folder, tag):
    content = seen(folder).SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def test_the_settings_of_a_trial_are_in_hparams_before_its_first_epoch(tmp_path):
    folder = TrainingFolder(
        tmp_path, linear_loop(), {"lr": 0.05, "noise": "logistic", "limit": None, "on": True, "sizes": (1, 2)}
    )
    folder._events._writer.flush()
    row = hparams(tmp_path, metadata.SESSION_START_INFO_TAG).session_start_info.hparams
    folder.close()
    assert row["lr"].number_value == 0.05
    assert row["noise"].string_value == "logistic"
    assert row["on"].bool_value is True
    assert row["limit"].string_value == "None"
    assert row["sizes"].string_value == "(1, 2)"


def test_the_experiment_names_what_is_searched_and_compared(tmp_path):
    write_hparams(tmp_path, ["lr", "alpha"], ["val/score"])
    experiment = hparams(tmp_path, metadata.EXPERIMENT_TAG).experiment
    assert [each.name for each in experiment.hparam_infos] == ["lr", "alpha"]
    assert [each.name.tag for each in experiment.metric_infos] == ["best/val/score"]
    assert [each.display_name for each in experiment.metric_infos] == ["val/score"]
