"""Files of the published names and shapes, with values made by a rule, are read as they are."""

import json
from collections import Counter

import pytest
import torch
from golden.fill import rule_values
from tiny_golden import GOLDEN

from avlib.errors import CheckpointError
from avlib.extractors.clap.network import HTSAT_TINY
from avlib.extractors.clap.weights import load_clap
from avlib.extractors.clap.weights import published_names as clap_names
from avlib.extractors.wavcaps.network import HTSAT_BERT
from avlib.extractors.wavcaps.weights import load_ase
from avlib.extractors.wavcaps.weights import published_names as ase_names

pytestmark = pytest.mark.slow


def published(stem):
    """Return the tensors of a golden list by name; integers count from 0."""
    (case,) = json.loads((GOLDEN / f"retrieval/{stem}.json").read_text())["cases"]
    state = {}
    for name, shape, dtype in case["expected"]["entries"]["value"]:
        if dtype == "int64":
            state[name] = torch.arange(torch.Size(shape).numel()).view(shape)
        elif shape:
            state[name] = torch.from_numpy(rule_values(name, tuple(shape))).float()
        else:
            state[name] = torch.tensor(0.5)
    return state


def ase(state, folder):
    torch.save({"model": state, "epoch": 9}, folder / "HTSAT-BERT-FT-AudioCaps.pt")
    network = load_ase(folder / "HTSAT-BERT-FT-AudioCaps.pt")
    return ase_names(HTSAT_BERT).published(network.state_dict())


def clap(state, folder):
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    content = {"epoch": 9, "state_dict": wrapped}
    torch.save(content, folder / "630k-audioset-fusion-best.pt")
    network = load_clap(folder / "630k-audioset-fusion-best.pt")
    return clap_names(HTSAT_TINY).published(network.model.state_dict())


FILES = [("wavcaps_ase", ase, 407, 13), ("laion_clap_fusion", clap, 448, 21)]


@pytest.mark.parametrize(("name", "load", "n_tensors", "n_unused"), FILES)
def test_the_published_file_loads(tmp_path, name, load, n_tensors, n_unused):
    state = published(f"state_dict_{name}")
    assert len(state) == n_tensors
    loaded = load(state, tmp_path)
    assert Counter(n in state for n in loaded) == {True: n_tensors - n_unused}
    counters = [n for n in loaded if n.endswith("num_batches_tracked")]
    assert all(torch.equal(t, state[n]) for n, t in loaded.items() if n not in counters)


@pytest.mark.parametrize(("name", "load", "n_tensors", "n_unused"), FILES)
def test_a_file_that_differs_lists_how(tmp_path, name, load, n_tensors, n_unused):
    state = published(f"state_dict_{name}")
    lost = next(n for n in state if n.endswith("layers.2.blocks.5.mlp.fc1.weight"))
    bent = next(n for n in state if n.endswith("encoder.layer.3.output.dense.bias"))
    state["other.weight"] = state.pop(lost)
    state[bent] = state[bent][:-1]
    with pytest.raises(CheckpointError) as caught:
        load(state, tmp_path)
    message = str(caught.value)
    assert f"missing {lost};" in message and "unexpected other.weight;" in message
    assert f"{bent} [767] for [768]" in message
