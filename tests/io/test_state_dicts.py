import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from avlib.errors import CheckpointError
from avlib.io.checkpoints import fit_state_dict, load_state_dict, read_weights
from avlib.io.metadata import SETTINGS, load_metadata
from avlib.io.weights import decode_settings, encode_settings, save_weights

ONE, OTHER = ({"a.weight": torch.full((3, 2), v), "a.bias": torch.full((3,), v)} for v in (1.0, 2))


def load(path, content):
    torch.save(content, path / "a.pt")
    return load_state_dict(path / "a.pt")


@pytest.mark.parametrize(
    "keys",
    [
        ("state_dict_ema",),
        ("model_state",),
        ("ema",),
        ("ema_state_dict",),
        ("weights",),
        ("model", "state_dict"),
        ("checkpoint", "model", "params"),
    ],
)
def test_the_only_weights_of_a_file_are_found(tmp_path, keys):
    content = ONE
    for key in reversed(keys):
        content = {key: content, "epoch": 3, "ema_decay": 0.99}
    assert load(tmp_path, content).keys() == ONE.keys()


@pytest.mark.parametrize("keys", [("state_dict", "state_dict_ema"), ("model", "model_ema")])
def test_two_sets_of_weights_are_not_chosen_from(tmp_path, keys):
    with pytest.raises(CheckpointError, match=f"two sets of weights, {keys[0]} and {keys[1]}; "):
        load(tmp_path, dict(zip(keys, (ONE, OTHER), strict=True)))
    assert load(tmp_path, dict.fromkeys(keys, ONE))["a.bias"].tolist() == [1, 1, 1]


def test_moments_of_an_optimiser_are_no_weights(tmp_path):
    moments = {"state": {name: {"exp_avg": t} for name, t in ONE.items()}}
    content = {"model": ONE, "optimizer": moments, "optimizer_ema": OTHER}
    assert load(tmp_path, content)["a.bias"].tolist() == [1, 1, 1]


def test_what_is_not_used_is_said(tmp_path, caplog):
    load(tmp_path, {"state_dict": ONE, "ema": {"shadow_params": [torch.ones(2)]}})
    assert "the weights are those of state_dict; ema is not used" in caplog.text
    load(tmp_path, {"trunk": ONE, "heads": {"b": torch.ones(1)}})
    assert "the weights are those of trunk; heads is not used" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "module.{}",
        "_orig_mod.{}",
        "module._orig_mod.{}",
        "_orig_mod.module.{}",
        "model.{}",
        "net.module.{}",
        "_fsdp_wrapped_module.{}",
    ],
)
def test_prefixes_of_wrappers_are_left_out(tmp_path, name):
    found = load(tmp_path, {name.format(n): t for n, t in ONE.items()})
    assert found.keys() == ONE.keys()


def test_a_part_that_was_compiled_keeps_its_name(tmp_path):
    found = load(tmp_path, {"layer1._orig_mod.0.weight": torch.ones(1), "b": torch.ones(1)})
    assert found.keys() == {"layer1.0.weight", "b"}


def test_an_averaged_model_of_torch_is_read(tmp_path):
    average = AveragedModel(nn.Linear(2, 3))
    assert load(tmp_path, average.state_dict()).keys() == {"weight", "bias"}


def test_two_tensors_of_one_name_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="two tensors are called a but for the prefixes"):
        load(tmp_path, {"module.a": torch.ones(1), "a": torch.zeros(1)})


def test_tensors_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="sparse, quantised, complex or empty"):
        load(tmp_path, {"a": torch.ones(2, dtype=torch.complex64)})


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64, torch.int64]
)
def test_settings_survive_other_types_of_numbers(tmp_path, dtype):
    fields = {"pool": "full", "classes": '["K\u00e4tzchen", "\u732b"]'}
    tensor = encode_settings(fields).to(dtype)
    assert decode_settings(tensor, tmp_path) == fields
    torch.save(
        {"state_dict": {"a": torch.ones(1), f"module.{SETTINGS}": tensor}}, tmp_path / "a.pt"
    )
    stored = read_weights(tmp_path / "a.pt")
    assert stored.settings == fields and stored.state.keys() == {"a"}
    save_file({"a": torch.ones(1), f"module.{SETTINGS}": tensor}, tmp_path / "a.safetensors")
    assert load_metadata(tmp_path / "a.pt") == load_metadata(tmp_path / "a.safetensors") == fields


BYTES = [torch.tensor(numbers, dtype=torch.uint8) for numbers in ([[123]], [91, 93], [34, 200, 34])]


@pytest.mark.parametrize(
    "tensor", [torch.zeros(3), torch.rand(9), torch.tensor([91, 93]), torch.zeros(2, 2), *BYTES]
)
def test_damaged_settings_are_refused(tmp_path, tensor):
    save_file({"a": torch.ones(1), SETTINGS: tensor}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"the tensor avlib\.settings is damaged"):
        read_weights(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"the tensor avlib\.settings is damaged"):
        load_metadata(tmp_path / "a.safetensors")


def test_without_settings_a_file_is_as_it_always_was(tmp_path):
    save_weights(tmp_path / "a.safetensors", ONE, {})
    assert read_weights(tmp_path / "a.safetensors").settings == {}


class Indexed(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("index", torch.arange(size))
        self.norm = nn.BatchNorm1d(2)


def test_indices_in_half_precision_are_those_of_the_network(tmp_path):
    network = Indexed(3000)
    state = {name: tensor.half() for name, tensor in network.state_dict().items()}
    state["norm.num_batches_tracked"] = torch.tensor(torch.inf)  # a count of 70,000 as float16
    fit_state_dict(network, state, tmp_path)
    assert torch.equal(network.index, torch.arange(3000))
    state["index"] = state["index"].flip(0)
    with pytest.raises(CheckpointError, match="index holds integers that float16 has rounded"):
        fit_state_dict(network, state, tmp_path)


def test_integers_are_no_weights(tmp_path):
    state = {"weight": torch.ones(3, 2, dtype=torch.int8), "bias": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="weight holds int8, not weights as numbers"):
        fit_state_dict(nn.Linear(2, 3), state, tmp_path)
