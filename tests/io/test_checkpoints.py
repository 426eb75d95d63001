import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from avlib.errors import CheckpointError
from avlib.io.checkpoints import (
    fit_state_dict,
    load_checkpoint,
    load_state_dict,
)
from avlib.io.metadata import load_metadata
from avlib.io.torch_files import Foreign, foreign_names, imported_names


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


class Meter:
    """Stands for a class of the program that wrote a file."""

    def __init__(self):
        self.values = [1.0]
        self.table = torch.zeros(2)


class CallingMeter:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return record_call, (str(self.path),)


def record_call(path):
    Path(path).touch()


def published(path, state, **extra):
    torch.save({"epoch": 29, "model_state": state, "cfg": "A: 1", **extra}, path)
    return path


def test_a_published_file_gives_its_model_state(tmp_path):
    state = collections.OrderedDict({"module.a.weight": torch.arange(4.0)})
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9).state_dict()
    path = published(tmp_path / "a.pyth", state, optimizer_state=optimizer)
    assert load_state_dict(path)["a.weight"].tolist() == [0, 1, 2, 3]


def test_numpy_numbers_beside_the_weights_are_read(tmp_path):
    path = published(tmp_path / "a.pyth", {"a": torch.ones(1)}, best=np.float64(0.5))
    assert list(load_state_dict(path)) == ["a"]


def test_a_plain_state_dict_and_safetensors_are_read(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pt")
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", {"sample_rate": "16000"})
    assert list(load_state_dict(tmp_path / "a.pt")) == ["a"]
    assert list(load_state_dict(tmp_path / "a.safetensors")) == ["a"]
    assert load_metadata(tmp_path / "a.safetensors") == {"sample_rate": "16000"}


def test_a_file_that_would_run_code_is_refused_and_not_run(tmp_path):
    path = published(tmp_path / "a.pyth", {"a": Payload(tmp_path / "ran")})
    with pytest.raises(CheckpointError, match=r"refused, nothing of it was run.*posix\.system"):
        load_state_dict(path)
    assert not (tmp_path / "ran").exists()


def test_a_bare_pickle_that_would_run_code_is_refused_and_named(tmp_path):
    (tmp_path / "a.pyth").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
    with pytest.raises(CheckpointError, match=r"a\.pyth: refused.*posix\.system"):
        load_state_dict(tmp_path / "a.pyth")
    assert not (tmp_path / "ran").exists()


def test_objects_of_unknown_classes_become_empty_where_they_are_allowed(tmp_path):
    path = published(tmp_path / "a.pth.tar", {"module.a": torch.ones(2)}, meters=[Meter()])
    with pytest.raises(CheckpointError, match=r"refused.*test_checkpoints\.Meter"):
        load_state_dict(path)
    assert load_state_dict(path, allows_foreign=True)["a"].tolist() == [1, 1]
    (meter,) = load_checkpoint(path, allows_foreign=True)["meters"]
    assert type(meter) is Foreign and not vars(meter)
    assert foreign_names(path) == [f"{Meter.__module__}.Meter"]
    mixed = published(tmp_path / "b.pth.tar", {"a": torch.ones(2)}, meters=[Meter(), np.int64(1)])
    assert foreign_names(mixed) == foreign_names(path)  # what is known never has a stand-in
    assert load_checkpoint(mixed, allows_foreign=True)["meters"][1] == 1
    assert "torch._utils._rebuild_tensor_v2" in imported_names(path)


def test_allowed_names_are_never_called(tmp_path):
    ran = tmp_path / "ran"
    path = published(tmp_path / "a.pth.tar", {"a": torch.ones(2)}, meters=CallingMeter(ran))
    content = load_checkpoint(path, allows_foreign=True)
    assert type(content["meters"]) is Foreign and not ran.exists()


def test_commands_of_the_system_are_refused_even_where_unknown_classes_are_allowed(tmp_path):
    path = published(tmp_path / "a.pth.tar", {"a": torch.ones(1)}, b=Payload(tmp_path / "ran"))
    with pytest.raises(CheckpointError, match=r"refused, nothing of it was run.*posix\.system"):
        load_state_dict(path, allows_foreign=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 torn"])
@pytest.mark.parametrize("suffix", ["pyth", "safetensors"])
def test_a_broken_file_is_named(tmp_path, content, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"a\.{suffix}"):
        load_state_dict(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"a\.pyth: no such checkpoint"):
        load_state_dict(tmp_path / "a.pyth")


def test_what_does_not_fit_is_listed(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = {"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(4), "extra": torch.zeros(1)}
    with pytest.raises(CheckpointError) as error:
        fit_state_dict(model, state, tmp_path / "a.pyth")
    assert "missing 1.bias, 1.weight" in str(error.value)
    assert "unexpected extra" in str(error.value)
    assert "0.bias [4] for [3]" in str(error.value)


def test_a_part_is_used_on_request_and_the_rest_is_said(tmp_path, caplog):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = {"0.weight": torch.ones(3, 2), "0.bias": torch.zeros(4)}
    fit_state_dict(model, state, tmp_path / "a.pyth", partial=True)
    assert torch.equal(model[0].weight, torch.ones(3, 2))
    assert "missing 1.bias, 1.weight" in caplog.text and "the rest is used" in caplog.text
    with pytest.raises(CheckpointError, match=r"missing 0\.bias"):
        fit_state_dict(model, {"extra": torch.zeros(1)}, tmp_path / "a.pyth", partial=True)


def test_values_that_are_no_numbers_matter_where_they_are_used(tmp_path):
    model = nn.ModuleDict({"body": nn.Linear(1, 1), "head": nn.Linear(1, 2)})
    state = {"body.weight": torch.ones(1, 1), "body.bias": torch.ones(1)}
    state["head.weight"] = torch.full((5, 1), torch.nan)
    fit_state_dict(model, state, tmp_path / "a.pyth", skip="head.")
    state["body.bias"] = torch.full((1,), torch.nan)
    with pytest.raises(CheckpointError, match=r"no numbers in body\.bias$"):
        fit_state_dict(model, state, tmp_path / "a.pyth", skip="head.")


def test_a_skipped_head_keeps_its_values(tmp_path):
    model = nn.ModuleDict({"body": nn.Linear(1, 1), "head": nn.Linear(1, 2)})
    before = model["head"].weight.clone()
    state = {"body.weight": torch.ones(1, 1), "body.bias": torch.ones(1)}
    state["head.weight"] = torch.zeros(5, 1)
    fit_state_dict(model, state, tmp_path / "a.pyth", skip="head.")
    assert model["body"].weight.item() == 1
    assert torch.equal(model["head"].weight, before)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"video_id,start_s\na,1\n", "a text file"),
        (b'{"a": 1}', "JSON text"),
        (b'{"metadata": {}, "weight_map": {}}', "the index of weights in several files"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00rest", "a gzip archive"),
        (b"", "an empty file"),
        (bytes(4000), "filled with zeros"),
        (b"\x00\x00\x00\x20ftypisom", "a video"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pyth", ".safetensors"])
def test_a_wrong_file_is_named_for_what_it_is(tmp_path, content, kind, suffix):
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"not a readable checkpoint, but {kind}"):
        load_state_dict(tmp_path / f"a{suffix}")


def test_random_files_never_end_in_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(300):
        size = int(rng.integers(1, 400))
        content = rng.bytes(size)
        start = [b"", b"\x80\x02", b"PK\x03\x04", b"\x80\x04\x95"][number % 4]
        (tmp_path / "a.pt").write_bytes(start + content)
        with pytest.raises(CheckpointError):
            load_state_dict(tmp_path / "a.pt")


def test_files_are_known_by_content_not_by_name(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "a.pt")
    torch.save({"_orig_mod.a": torch.ones(2)}, tmp_path / "b.safetensors")
    for name in ("a.pt", "b.safetensors"):
        assert list(load_state_dict(tmp_path / name)) == ["a"]
