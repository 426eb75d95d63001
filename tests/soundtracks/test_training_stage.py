"""The stage that trains a soundtrack network, from a study's files to weights."""

import json
from dataclasses import replace

import pytest
from soundtrack_files import labelled_files, write_images, write_labels

from avlib.errors import DataError
from avlib.io.metadata import load_metadata
from avlib.soundtracks.network_choice import Network
from avlib.soundtracks.recipes import SoundtrackTraining, training_recipe
from avlib.soundtracks.training import train_soundtrack
from avlib.training.event_recognition import Outputs

FOLDS = ["1", "1", "2", "2", "1", "2", "2", "2"]
NETWORK = Network(name="resnet18", pool="full", width=4)
TRAINING = SoundtrackTraining(recipe="small", epochs=2, batch_size=4)


def train(folder, files, fold="all", clips=None, **changes):
    outputs = {
        "state_directory": folder / "state",
        "model_path": folder / "model.safetensors",
        "log_path": folder / "log.jsonl",
        "metrics_path": folder / "metrics.json",
    }
    train_soundtrack(
        replace(write_labels(folder, files), fold=fold),
        write_images(folder / "mel", files, **(clips or {})).packs,
        recipe=training_recipe(TRAINING.model_copy(update=changes)),
        network=NETWORK,
        seed=1,
        device="cpu",
        outputs=Outputs(**outputs),
    )
    return json.loads(outputs["metrics_path"].read_text()), outputs


def test_the_splits_of_the_table_are_trained_on_and_settings_count(tmp_path):
    found, outputs = train(tmp_path, labelled_files(), clips={"video7": 0})
    assert found["counts"]["events"] == {"train": 4, "val": 2, "test": 1}
    assert found["counts"]["events_left_out"]["test"] == 1
    assert found["validated_on"] == "val"
    metadata = load_metadata(outputs["model_path"])
    assert (metadata["network"], metadata["pool"], metadata["width"]) == ("resnet18", "full", "4")
    assert json.loads(metadata["classes"]) == {"class_id": ["low", "high"]}
    assert len(outputs["log_path"].read_text().splitlines()) == 2


def test_of_a_fold_the_files_are_tested_and_the_others_trained_on(tmp_path):
    found, _ = train(tmp_path, labelled_files(folds=FOLDS), "1", epochs=1)
    assert found["counts"]["events"] == {"train": 5, "val": 0, "test": 3}
    assert set(found["metrics"]) == {"train", "test"}


def test_the_files_of_a_fold_do_not_touch_its_weights(tmp_path):
    files = labelled_files(folds=FOLDS)
    _, ours = train(tmp_path / "a", files, "1", epochs=1)
    other = files.assign(class_id=files["class_id"].where(files["fold"] != "1", 0))
    _, theirs = train(tmp_path / "b", other, "1", epochs=1)
    assert ours["model_path"].read_bytes() == theirs["model_path"].read_bytes()


def test_a_fold_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="fold '3' has no files; the folds are 1, 2"):
        train(tmp_path, labelled_files(folds=FOLDS), "3")
