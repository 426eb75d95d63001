from itertools import islice

import pytest
import torch
from safetensors.torch import save_file
from tiny_weights import saved_again

from avlib.errors import CheckpointError
from avlib.valor.recipes import PARSER_RECIPES as RECIPES
from avlib.valor.task import write_checkpoint
from avlib.valor.weights import load_parser, network_sizes, new_parser

SIZES = {
    "audio_dim": 6,
    "visual_dim": 8,
    "motion_dim": 5,
    "hidden_dim": 16,
    "nhead": 4,
    "ff_dim": 12,
    "num_layers": 2,
    "num_classes": 7,
}


def test_new_weights_leave_the_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    new_parser(5, **SIZES)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_is_loaded_as_it_was_saved(tmp_path):
    model, _ = new_parser(1, **SIZES)
    for name in ("a.pt", "checkpoint_best.pt"):
        write_checkpoint(tmp_path / name, model.state_dict())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "checkpoint_best.pt").read_bytes()
    found = load_parser(tmp_path / "checkpoint_best.pt", **SIZES)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name])
    plain = torch.load(tmp_path / "a.pt", weights_only=True)
    assert list(plain) == list(model.state_dict())


def test_a_parser_that_is_saved_again_has_the_same_outputs(tmp_path):
    model, _ = new_parser(1, **SIZES)
    features = [torch.randn(2, 10, SIZES[f"{name}_dim"]) for name in ("audio", "visual", "motion")]
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    for path in islice(saved_again(tmp_path / "a.safetensors", tmp_path), 3):  # in full precision
        found = load_parser(path, **SIZES).eval()
        for expected, output in zip(model.eval()(*features), found(*features), strict=True):
            assert torch.equal(expected, output)


def test_a_checkpoint_that_does_not_fit_is_refused_with_all_differences(tmp_path):
    state = new_parser(1, **SIZES)[0].state_dict()
    state["extra"] = state.pop("fc_a.bias")
    state["fc_v.weight"] = torch.zeros(16, 9)
    torch.save(state, tmp_path / "checkpoint_best.pt")
    with pytest.raises(CheckpointError) as error:
        load_parser(tmp_path / "checkpoint_best.pt", **SIZES)
    message = str(error.value)
    assert "missing fc_a.bias; unexpected extra; of another shape fc_v.weight [16, 9]" in message
    assert "for [16, 8]" in message and "\n" not in message


def test_nothing_of_a_checkpoint_is_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"fc_a.bias": Harmful()}, tmp_path / "checkpoint_best.pt")
    with pytest.raises(CheckpointError, match="refused, nothing of it was run"):
        load_parser(tmp_path / "checkpoint_best.pt", **SIZES)


def test_the_weights_of_one_variant_are_not_those_of_another(tmp_path):
    plus, plusplus = (network_sizes(RECIPES[name]) for name in ("valor+", "valor++"))
    write_checkpoint(tmp_path / "best.pt", new_parser(0, **plus)[0].state_dict())
    with pytest.raises(CheckpointError, match=r"fc_a\.weight \[256, 128\] for \[256, 768\]"):
        load_parser(tmp_path / "best.pt", **plusplus)
