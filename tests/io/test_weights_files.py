import json

import pytest
import torch
from safetensors.torch import save_file

from avlib.errors import CheckpointError
from avlib.io.checkpoints import load_state_dict
from avlib.io.hashes import weights_hash
from avlib.io.weights_files import all_files, read_config, weights_file

PARTS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path):
    """Weights in two files, as Hugging Face has them, with a configuration."""
    for number, name in enumerate(PARTS):
        save_file({f"layer{number}": torch.full((2,), float(number))}, tmp_path / name)
    names = {f"layer{number}": name for number, name in enumerate(PARTS)}
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    return tmp_path


@pytest.mark.parametrize("name", ["", INDEX, *PARTS])
def test_weights_in_several_files_are_read_whole(folder, name):
    path = folder / name
    assert {n: t.tolist() for n, t in load_state_dict(path).items()} == {
        "layer0": [0, 0],
        "layer1": [1, 1],
    }
    assert [file.name for file in all_files(path)] == [INDEX, *PARTS, "config.json"]
    assert read_config(path) == {"model_type": "clip"}


def test_a_folder_of_one_file_is_read(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert weights_file(tmp_path) == tmp_path / "pytorch_model.bin"
    assert load_state_dict(tmp_path).keys() == {"a"}
    assert read_config(tmp_path) is None


def test_a_folder_without_weights_says_what_is_looked_for(tmp_path):
    with pytest.raises(CheckpointError, match=r"a folder without model\.safetensors, .*; name the"):
        load_state_dict(tmp_path)


def test_a_missing_part_or_index_is_named(folder):
    (folder / PARTS[1]).unlink()
    with pytest.raises(CheckpointError, match=f"{PARTS[1]} is missing; fetch all parts"):
        load_state_dict(folder)
    (folder / INDEX).unlink()
    with pytest.raises(CheckpointError, match=f"one part of several; {INDEX} must lie beside it"):
        load_state_dict(folder / PARTS[0])


@pytest.mark.parametrize("name", ["../away.safetensors", "/etc/passwd", 3, "inner/a.safetensors"])
def test_an_index_leads_nowhere_else(folder, name):
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="is no file of this folder"):
        load_state_dict(folder)


def test_a_part_holds_what_the_index_says(folder):
    save_file({"other": torch.ones(1)}, folder / PARTS[1])
    with pytest.raises(CheckpointError, match=r"does not hold what .*index.json says: layer1"):
        load_state_dict(folder)


def test_the_hash_is_that_of_all_parts(folder):
    before = weights_hash(folder)
    assert before == weights_hash(folder / PARTS[0])
    save_file({"layer1": torch.full((2,), 7.0)}, folder / PARTS[1])
    assert weights_hash(folder) != before


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"weight_map": 1}'])
def test_an_index_that_is_none_is_named(folder, text):
    (folder / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json: "):
        load_state_dict(folder)
