"""Checkpoints of EgoVLP: the published form, our own, and wrong ones."""

import json
import os
import sys
import types
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
import torch
from tiny_egovlp import NARROW

from avlib.errors import CheckpointError
from avlib.extractors.egovlp.network import PUBLISHED
from avlib.extractors.egovlp.weights import FRAME_TABLE, load_egovlp, untrained_egovlp
from avlib.extractors.structure import own_settings
from avlib.io.metadata import SETTINGS
from avlib.io.weights import encode_settings, save_weights
from avlib.verify.rule import Fill, fill_by_rule

GOLDEN = Path(__file__).parents[2] / "golden" / "retrieval" / "state_dict_egovlp_4f.json"


def touch(path):
    Path(path).touch()


class Program:
    """Calls a function when a reader of pickles does what it says."""

    def __init__(self, function, path):
        self.function, self.path = function, path

    def __reduce__(self):
        return self.function, (str(self.path),)


class ConfigParser:
    """Stands for the settings of the published program."""

    def __init__(self, **content):
        self.content, self.save_dir = OrderedDict(content), Path("results")

    def __setstate__(self, state):
        raise AssertionError("code of the program was run")


@pytest.fixture
def foreign(monkeypatch):
    """Return a class that is only known while a file is written."""
    module = types.ModuleType("parse_config")
    monkeypatch.setitem(sys.modules, "parse_config", module)
    monkeypatch.setattr(ConfigParser, "__module__", "parse_config")
    module.ConfigParser = ConfigParser
    return ConfigParser


def save_published(path, state, config, key="state_dict", prefix="module."):
    named = OrderedDict((prefix + name, tensor) for name, tensor in state.items())
    torch.save({"arch": "FrozenInTime", "epoch": 9, key: named, "config": config}, path)
    sys.modules.pop("parse_config", None)
    return path


def narrow(seed=0):
    network = untrained_egovlp(NARROW, seed)
    fill_by_rule(network, Fill(seed))
    return network


def with_structure(network):
    return {**network.state_dict(), SETTINGS: encode_settings(own_settings(NARROW))}


def constant(name, shape):
    """Return a tensor of one number, which takes no room in a file."""
    return torch.tensor([crc32(name.encode()) % 1000 / 1000]).expand(shape)


@pytest.fixture(scope="module")
def published():
    """Return tensors of the published names and shapes."""
    (case,) = json.loads(GOLDEN.read_text())["cases"]
    entries = case["expected"]["entries"]["value"]
    assert len(entries) == 327
    return {name: constant(name, shape) for name, shape, _ in entries}


@pytest.mark.parametrize("num_frames", [2, 16])
def test_the_published_file_fits_with_its_settings_unread(tmp_path, published, foreign, num_frames):
    path = save_published(tmp_path / "egovlp.pth", published, foreign(optimizer="AdamW"))
    network = load_egovlp(path, num_frames)
    assert network.sizes == replace(PUBLISHED, frames=num_frames)
    state = network.state_dict()
    assert list(state) == list(published)
    table = state.pop(FRAME_TABLE)
    expected = constant(FRAME_TABLE, (1, min(4, num_frames), 768))
    assert torch.equal(table[:, :4], expected) and not table[:, 4:].any()
    assert all(torch.equal(tensor, published[name]) for name, tensor in state.items())


@pytest.mark.parametrize(("key", "prefix"), [("state_dict", ""), ("state_dict_v", "module.")])
def test_every_form_of_a_file_gives_the_same_network(tmp_path, foreign, key, prefix):
    network = narrow()
    state = with_structure(network)
    path = save_published(tmp_path / "a.pth", state, foreign(), key, prefix)
    save_weights(tmp_path / "a.safetensors", network.state_dict(), own_settings(NARROW))
    videos, tokens = torch.randn(2, 3, 3, 32, 32), torch.tensor([[2, 5, 3]])
    mask = torch.ones_like(tokens)
    for file in (path, tmp_path / "a.safetensors"):
        loaded = load_egovlp(file, 4)
        with torch.inference_mode():
            expected = network.video_embeddings(videos)
            assert torch.equal(loaded.video_embeddings(videos), expected)
            expected = network.text_embeddings(tokens, mask)
            assert torch.equal(loaded.text_embeddings(tokens, mask), expected)


@pytest.mark.parametrize("function", [touch, Path, open, eval, Path.touch])
def test_settings_that_would_run_code_are_read_without_running_it(tmp_path, foreign, function):
    program = Program(function, tmp_path / "ran")
    config = foreign(programs=[program], named={"a": program})
    load_egovlp(save_published(tmp_path / "a.pth", with_structure(narrow()), config), 4)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("function", [os.mkdir, os.system])
def test_settings_that_name_commands_of_the_system_are_refused(tmp_path, foreign, function):
    config = foreign(program=Program(function, tmp_path / "ran"))
    path = save_published(tmp_path / "a.pth", with_structure(narrow()), config)
    with pytest.raises(CheckpointError, match=r"a\.pth: refused, nothing of it was run"):
        load_egovlp(path, 4)
    assert not (tmp_path / "ran").exists()


def test_a_wrong_file_says_which_tensors_differ(tmp_path):
    state = with_structure(narrow())
    state["vid_proj.0.bias"] = torch.zeros(11)
    state["other"] = state.pop("video_model.norm.bias")
    torch.save(state, tmp_path / "a.pth")
    found = (
        r"a\.pth does not fit: missing video_model\.norm\.bias; unexpected other; "
        r"of another shape vid_proj\.0\.bias \[11\] for \[10\]"
    )
    with pytest.raises(CheckpointError, match=found):
        load_egovlp(tmp_path / "a.pth", 4)


def test_narrow_weights_without_their_structure_are_refused(tmp_path):
    torch.save(narrow().state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth does not fit: missing .*of another shape"):
        load_egovlp(tmp_path / "a.pth", 4)


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"patch_size": 0}, {"text_heads": 5}])
def test_a_structure_that_cannot_be_built_is_one_error(tmp_path, wrong):
    settings = own_settings(replace(NARROW, **wrong))
    torch.save({**narrow().state_dict(), SETTINGS: encode_settings(settings)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        load_egovlp(tmp_path / "a.pth", 4)


def test_positions_that_older_releases_saved_are_passed_over(tmp_path):
    state = with_structure(narrow())
    state["text_model.embeddings.position_ids"] = torch.arange(8)[None]
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    assert load_egovlp(tmp_path / "a.pth", 4).sizes == NARROW
