"""Golden lists of the weights of the networks that make the inputs of VALOR."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from avlib.extractors.clap import weights as clap_weights
from avlib.extractors.clap.network import Clap
from avlib.extractors.clip import weights as clip_weights
from avlib.extractors.clip.network import Clip
from avlib.extractors.vggish.network import VGGish
from avlib.verify.golden import Case, Comparison, Numerics, compare_exactly

OPENAI, HF, CLAP, VGGISH = (
    clip_weights.OPENAI_MARK,
    "vision_model.embeddings.class_embedding",
    "audio_branch.bn0.weight",
    "embeddings.0.weight",
)


def lists_teacher(content: Mapping[str, Any]) -> bool:
    """Say whether a sidecar lists the weights of one of these networks."""
    rows = content.get("tensors")
    names = {row[0] for row in rows if row} if isinstance(rows, list) else set()
    return not names.isdisjoint({OPENAI, HF, CLAP, VGGISH})


def state_dict(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names and shapes of all weights that a network takes from a file."""
    rows = case.content["tensors"]
    given = {name: list(shape) for name, shape, *_ in rows}
    own, unused = _weights(given)
    yield compare_exactly("names", sorted(own), sorted(given.keys() - unused))
    yield compare_exactly("shapes", own, {name: given.get(name) for name in own})
    if "n_tensors" in case.content:
        yield compare_exactly("n_tensors", len(own) + len(unused), case.content["n_tensors"])


def _weights(given: Mapping[str, list[int]]) -> tuple[dict[str, list[int]], set[str]]:
    """Return names and shapes of the network's weights, and the names that it does not need."""
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in given.items()}
        if VGGISH in state:
            width, hidden = len(state["features.0.weight"]), len(state[VGGISH])
            return _shapes(VGGish(width=width, hidden=hidden).state_dict()), set()
        if CLAP in state:
            unused = {name for name in given if clap_weights.is_unused(name)}
            clap_sizes = clap_weights.infer_sizes(state)
            renaming = clap_weights.published_names(clap_sizes)
            weights = Clap(clap_sizes).model.state_dict()
        else:
            unused, renaming = set(), clip_weights.file_names(state)
            clip_sizes = clip_weights.infer_sizes(renaming.own(state))
            weights = Clip(clip_sizes).model.state_dict()
        return _shapes(renaming.published(weights)), unused


def _shapes(state: Mapping[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in state.items()}
