import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from resumed_training import contents, wait_and_signal
from safetensors import safe_open
from tiny_tim import CLASSES, run, training_files, write_study

from avlib.errors import CheckpointError, ConfigError, DataError
from avlib.extractors.tables import INTERVALS
from avlib.io.checkpoints import load_state_dict
from avlib.io.tables import read_table, write_table
from avlib.tim import training
from avlib.tim.batches import WindowDataset
from avlib.tim.network import TIM
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.splits import InputFiles, read_split
from avlib.tim.tables import QUERIES, read_head_classes
from avlib.tim.task import Computation
from avlib.tim.weights import build_model
from avlib.tim.windows import build_windows
from avlib.training.state import Progress, load_state, save_state


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    """The outputs of one training that nothing interrupted."""
    return run(study, tmp_path_factory.mktemp("undisturbed"))


def log_entries(outputs):
    return [json.loads(line) for line in outputs["log"].read_text().splitlines()]


def test_a_second_training_gives_the_same_bytes(study, undisturbed, tmp_path):
    assert contents(run(study, tmp_path)) == contents(undisturbed)
    assert not (tmp_path / "state").exists()


def test_another_seed_gives_another_model(study, undisturbed, tmp_path):
    other = contents(run(study, tmp_path, seed=2))
    assert other["model"] != contents(undisturbed)["model"]


def test_the_toy_problem_is_learnt(tmp_path):
    study = write_study(tmp_path / "study", {"train": 16, "val": 8, "test": 1})
    outputs = run(study, tmp_path, epochs=25, parts=1)
    entries = log_entries(outputs)
    metrics = json.loads(outputs["metrics"].read_text())["metrics"]["val"]
    share_of_background = 0.68
    assert metrics["combined"]["top1"] > share_of_background + 0.15
    assert entries[-1]["train_loss"] < 0.8 * entries[0]["train_loss"]


@pytest.mark.parametrize("reads", [1, 3, 4, 8])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    study, undisturbed, tmp_path, monkeypatch, reads
):
    """The signal comes while a batch of a step or of a validation is made."""
    seen = 0

    def batch_and_stop(self, items, views=None, batch=WindowDataset.batch):
        nonlocal seen
        seen += 1
        if seen == reads:
            signal.raise_signal(signal.SIGTERM)
        return batch(self, items, views)

    with monkeypatch.context() as patch:
        patch.setattr(WindowDataset, "batch", batch_and_stop)
        with pytest.raises(SystemExit) as exit_:
            run(study, tmp_path)
    assert exit_.value.code == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert contents(run(study, tmp_path)) == contents(undisturbed)


def started(folder, **changes):
    """A training in a process of its own."""
    script = Path(__file__).parents[1] / "tiny_tim.py"
    return subprocess.Popen([sys.executable, script, folder, json.dumps(changes)])


def interrupt(folder, states, number, **changes):
    """Train until `states` are written, then send a signal; return the exit status."""
    with started(folder, **changes) as process:
        return wait_and_signal(process, folder, states, number)


@pytest.mark.slow
def test_after_killed_processes_it_ends_in_the_same_bytes(study, undisturbed, tmp_path):
    """The first epoch is long since a training in the making cannot be killed in time."""
    assert interrupt(tmp_path, 1, signal.SIGKILL) == -signal.SIGKILL
    assert interrupt(tmp_path, 2, signal.SIGTERM) == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert contents(run(study, tmp_path)) == contents(undisturbed)


def close_logs(a, b):
    """Whether the numbers of two logs agree but for rounding."""
    for one, other in zip(log_entries(a), log_entries(b), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if name != "val":
                assert value == pytest.approx(other[name], rel=1e-4), name
    return True


@pytest.mark.slow
def test_two_processes_give_the_result_of_one(study, undisturbed, tmp_path):
    outputs = run(study, tmp_path, processes=2)
    assert close_logs(outputs, undisturbed)
    one, two = (load_state_dict(o["model"]) for o in (undisturbed, outputs))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-4)
    metrics = [json.loads(o["metrics"].read_text()) for o in (undisturbed, outputs)]
    assert metrics[0]["best_epoch"] == metrics[1]["best_epoch"]


@pytest.mark.slow
def test_several_processes_stop_together_and_resume(study, undisturbed, tmp_path):
    """Also where one of them is killed, and where another number of them goes on."""
    assert interrupt(tmp_path, 1, signal.SIGTERM, processes=2) == 143
    assert list(tmp_path.glob("state/*.pt"))
    assert close_logs(run(study, tmp_path), undisturbed)


def workers(process):
    """The processes that a process has started."""
    return sorted(child.pid for child in psutil.Process(process.pid).children())


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_the_death_of_one_process_ends_all(study, undisturbed, tmp_path, rank):

    with started(tmp_path, processes=2, epochs=40) as process:
        while not list(tmp_path.glob("state/*.pt")):
            time.sleep(0.01)
        pids = workers(process)
        os.kill(pids[rank], signal.SIGKILL)
    assert process.returncode == 1
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list(tmp_path.glob("state/*.pt"))


@pytest.mark.slow
def test_an_error_of_a_process_is_that_of_the_training(study, tmp_path):
    with pytest.raises(ConfigError, match=r"the loss is nan.*lower the rate"):
        run(study, tmp_path, processes=2, learning_rate=1e30)


def test_the_number_of_parts_changes_dropout_alone(study, undisturbed, tmp_path, monkeypatch):
    """Without dropout the losses of the parts add up to those of the batch."""
    dry = replace(TIM_RECIPES["small"], enc_dropout=0.0, feat_dropout=0.0, seq_dropout=0.0)
    monkeypatch.setitem(TIM_RECIPES, "small", dry)
    outputs = [run(study, tmp_path / f"{parts}", parts=parts) for parts in (1, 3, 8)]
    assert close_logs(outputs[0], outputs[1])
    assert close_logs(outputs[0], outputs[2])


def test_training_ends_when_validation_stands_still(study, tmp_path, monkeypatch):
    """The accuracies of the epochs are 0.5, 0.7, 0.7, 0.6 and so on."""
    scores = iter([0.5, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6])
    monkeypatch.setattr(
        training.TimTask, "validate", lambda *_: (score := next(scores), {"top1": score})
    )
    outputs = run(study, tmp_path, epochs=7, early_stop_epochs=2)
    assert [entry["val"]["top1"] for entry in log_entries(outputs)] == [0.5, 0.7, 0.7, 0.6, 0.6]
    assert json.loads(outputs["metrics"].read_text())["best_epoch"] == 2


def test_the_log_has_one_line_an_epoch(undisturbed):
    entries = log_entries(undisturbed)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    for entry in entries:
        parts = entry["train_action_loss"] + entry["train_audio_loss"]
        total = parts + TIM_RECIPES["small"].lambda_drloc * entry["train_drloc_loss"]
        assert entry["train_loss"] == pytest.approx(total)
        assert set(entry["val"]) == {"select_by", "queries", "action", "audio", "combined"}
        assert math.isfinite(entry["val"]["action"]["loss"])
        assert entry["val"]["queries"] == {"visual": 30, "audio": 30}
    assert entries[0]["learning_rate"] < TIM_RECIPES["small"].lr


def test_the_model_file_is_enough_to_build_the_model(undisturbed):
    with safe_open(undisturbed["model"], "pt") as file:
        metadata = {name: json.loads(text) for name, text in file.metadata().items()}
    assert metadata["classes"]["action"] == CLASSES
    assert metadata["recipe"]["name"] == "small"
    model = TIM(**metadata["arguments"])
    model.load_state_dict(load_state_dict(undisturbed["model"]))


def test_the_metrics_are_those_of_the_best_epoch(undisturbed):
    result = json.loads(undisturbed["metrics"].read_text())
    best = max(log_entries(undisturbed), key=lambda entry: entry["val"]["combined"]["top1"])
    assert result["best_epoch"] == best["epoch"]
    assert result["select_by"] == best["val"].pop("select_by") == "combined"
    assert result["metrics"]["val"] == best["val"]
    assert result["windows"]["train"]["windows"] == 8


@pytest.mark.parametrize(("modality", "head"), [("visual", "action"), ("audio", "audio")])
def test_a_model_of_one_modality_learns_its_own_labels(study, tmp_path, modality, head):
    outputs = run(study, tmp_path, name=modality, epochs=1)
    (entry,) = log_entries(outputs)
    assert set(entry["val"]) == {"select_by", "queries", head}
    assert json.loads(outputs["metrics"].read_text())["select_by"] == head
    other = "audio" if modality == "visual" else "visual"
    assert not [name for name in load_state_dict(outputs["model"]) if f"{other}_" in name]


def test_the_deciding_head_can_be_chosen(study, tmp_path):
    outputs = run(study, tmp_path, select_by="audio", epochs=1)
    assert json.loads(outputs["metrics"].read_text())["select_by"] == "audio"


def test_without_validation_windows_the_training_set_decides(study, tmp_path, caplog):
    files = training_files(study, tmp_path)
    train = {name: {"train": files[name]["train"]} for name in ("windows", "intervals")}
    outputs = run(study, tmp_path, epochs=1, **train)
    assert "chosen on train" in caplog.text
    result = json.loads(outputs["metrics"].read_text())
    assert result["validated_on"] == "train"
    assert result["metrics"]["train"]["queries"] == {"visual": 80, "audio": 80}


def test_a_last_smaller_batch_is_trained_on(study, tmp_path, monkeypatch):
    sizes = []
    step = training.TimTask.train_step

    def counted(self, batch):
        sizes.append(len(batch.batch.times))
        return step(self, batch)

    monkeypatch.setattr(training.TimTask, "train_step", counted)
    run(study, tmp_path, epochs=1, batch_size=5)
    assert sizes == [5, 3]


def test_training_goes_on_from_given_weights(study, undisturbed, tmp_path):
    first = undisturbed["model"]
    outputs = run(study, tmp_path, initial_weights=first, epochs=1, learning_rate=1e-9)
    given, trained = (load_state_dict(path) for path in (first, outputs["model"]))
    for name, tensor in given.items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-3, atol=1e-5)


def test_weights_for_features_of_another_width_are_refused(undisturbed, tmp_path):
    study = write_study(tmp_path / "study")
    for path in study["audio"][0].glob("*/*.npy"):
        np.save(path, np.concatenate([np.load(path)] * 2, axis=2))
    with pytest.raises(CheckpointError, match=r"audio_input_dim is 5, not 10"):
        run(study, tmp_path, initial_weights=undisturbed["model"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "ave_vgg", "name": "audio"}, None),
        ({"name": "audio", "select_by": "combined"}, r"select_by: 'combined'.*\['audio'\]"),
        ({"learning_rate": 1e30}, "the loss is nan.*lower the rate"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(study, tmp_path, changes, message):
    if message is None:
        with pytest.raises(ValueError, match="windows of 25 features, expected 10"):
            run(study, tmp_path, **changes)
        return
    with pytest.raises(ConfigError, match=message):
        run(study, tmp_path, **changes)


def test_a_class_out_of_range_names_the_query(study, tmp_path):
    queries = read_table(study["queries"], QUERIES)
    queries.loc[queries["annotation_id"] == "train3_4", "action_class"] = 4
    write_table(queries, tmp_path / "queries.parquet", QUERIES)
    with pytest.raises(DataError, match="train3_4: action_class is 4, expected 0 to 3"):
        run(study, tmp_path, queries=tmp_path / "queries.parquet")


def test_a_state_of_other_features_is_not_resumed(study, tmp_path, monkeypatch):
    def stop(self, batch):
        signal.raise_signal(signal.SIGTERM)
        return {"loss": 1.0}

    other = write_study(tmp_path / "study")
    np.save(other["audio"][0] / "train/train0.npy", np.zeros((45, 2, 5), dtype=np.float32))
    with monkeypatch.context() as patch:
        patch.setattr(training.TimTask, "train_step", stop)
        with pytest.raises(SystemExit):
            run(study, tmp_path, epochs=1)
    state = next((tmp_path / "state").glob("*.pt"))
    monkeypatch.setattr(training, "remove_states", lambda _: None)
    run(other, tmp_path, epochs=1)
    assert state.name.split("-")[0] not in {
        path.name.split("-")[0] for path in (tmp_path / "state").glob("*.pt")
    }


def test_windows_without_queries_of_the_label_space_are_left_out(study, tmp_path):
    queries = read_table(study["queries"], QUERIES)
    is_kept = (queries["modality"] == "visual") | (queries["video_id"] != "train1")
    train = queries[is_kept & (queries["split"] == "train")]
    intervals = read_table(study["intervals"]["train"], INTERVALS)
    recipe = TIM_RECIPES["small"].of_model("audio")
    durations = dict.fromkeys(intervals["video_id"].unique(), 10.0)
    build_windows(train, intervals, durations, recipe).save(tmp_path / "w.npz")
    given = study | {"windows": {"train": tmp_path / "w.npz"}, "visual": None}
    split = read_split("train", InputFiles(**given), recipe, read_head_classes(study["classes"]))
    assert len(split.dataset) == 8
    assert len(split.items) == 7


def test_without_windows_to_train_on_both_remedies_are_named(study, tmp_path):
    queries = read_table(study["queries"], QUERIES)
    intervals = read_table(study["intervals"]["train"], INTERVALS)
    none = build_windows(queries[:0], intervals, {}, TIM_RECIPES["small"])
    none.save(tmp_path / "none.npz")
    windows = study["windows"] | {"train": tmp_path / "none.npz"}
    with pytest.raises(DataError, match=r"splits of the annotations, .*index\.parquet"):
        run(study, tmp_path, windows={s: windows[s] for s in ("train", "val")})


def test_mixed_precision_learns_alike(study, undisturbed, tmp_path):
    entries = log_entries(run(study, tmp_path, mixed_precision="training"))
    for mixed, full in zip(entries, log_entries(undisturbed), strict=True):
        assert mixed["train_loss"] != full["train_loss"]
        assert mixed["train_loss"] == pytest.approx(full["train_loss"], rel=0.02)


def mixed_task(study):
    """A task that computes in float16, which the CPU can, too, for the sake of a test."""
    files = training.TrainingFiles(**training_files(study, Path("unused")))
    recipe = TIM_RECIPES["small"]
    classes = read_head_classes(files.classes)
    split = read_split("train", files, recipe, classes)
    model, _ = build_model(recipe, classes, split, seed=0, initial_weights=None)
    computation = Computation(precision=torch.float16)
    options = {"select_by": "combined", "seed": 0, "computation": computation}
    return training.TimTask(model, recipe, training=split, validation=split, **options)


def test_the_loss_scale_is_resumed_with_the_optimizer(study, tmp_path):
    task, other = mixed_task(study), mixed_task(study)
    step = next(iter(task.batches(0, 0)))
    assert math.isfinite(task.train_step(step)["loss"])
    task.scaler.update(1024.0)
    save_state(tmp_path, "key", task.model, task.optimizer, Progress(epoch=1))
    assert other.scaler.get_scale() != 1024.0
    load_state(tmp_path, "key", other.model, other.optimizer)
    assert other.scaler.get_scale() == 1024.0
    assert task.train_step(step) == other.train_step(step)
