"""Operation that lists the weights of encoders as their published files hold them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from avlib.extractors import htsat
from avlib.extractors.clap.network import HTSAT_TINY, Clap
from avlib.extractors.clap.weights import published_names as clap_names
from avlib.extractors.egovlp.network import PUBLISHED as EGOVLP
from avlib.extractors.egovlp.network import EgoVlp
from avlib.extractors.wavcaps.network import HTSAT_BERT, Ase
from avlib.extractors.wavcaps.weights import N_BINS, N_FFT, unused_tensors
from avlib.extractors.wavcaps.weights import published_names as ase_names
from avlib.verify.networks import state_entries
from avlib.verify.operations import Results, operation

Published = tuple[nn.Module, Mapping[str, Tensor]]

# What published files list before what, where that is not the order of the networks here.
HTSAT_ORDER = (
    r"stft\.conv_real",
    r"stft\.conv_imag",
    r"melW",
    r"bn0\.",
    r"patch_embed\.proj\.",
    r"patch_embed\.norm\.",
    r"patch_embed\.mel_conv2d\.",
    r"patch_embed\.",
    r"layers\.",
    r"norm\.",
    r"tscam_conv\.",
    r"head\.",
)
ASE_TEXT_ORDER = (r"text_encoder\..*position_ids", "text_encoder", "audio_proj", "text_proj")
CLAP_TEXT_ORDER = (
    *(rf"text_branch\.embeddings\.{part}" for part in ("position_ids", "word_", "position_")),
    r"text_branch\.",
    *("text_transform", "text_projection", "audio_transform", "audio_projection"),
)
BLOCK = re.compile(r"layers\.(\d+)\.(blocks\.(\d+)\.(attn_mask)?)?")


def _ordered(state: Mapping[str, Tensor], order: Sequence[str]) -> dict[str, Tensor]:
    """Return tensors in the order of patterns, those of a block of HTSAT after its mask."""

    def place(name: str) -> tuple[int, ...]:
        first = next(i for i, pattern in enumerate(order) if re.match(pattern, name))
        if not (block := BLOCK.search(name)) or name.startswith("text"):
            return (first,)
        stage, inner, number, mask = block.groups()
        return first, int(stage), inner is None, int(number or 0), mask is None

    return {name: state[name] for name in sorted(state, key=place)}


def wavcaps_ase() -> Published:
    """Return ASE, and its tensors."""
    network = Ase(HTSAT_BERT)
    names = replace(ase_names(HTSAT_BERT), unused=dict(unused_tensors(HTSAT_BERT)))
    tower = [rf"audio_encoder\.audio_enc\.(.*\.)?{part}" for part in HTSAT_ORDER]
    state = names.published(network.state_dict())
    return network, _ordered(state, ("temp", *tower, *ASE_TEXT_ORDER))


def laion_clap_fusion() -> Published:
    """Return CLAP, and its tensors."""
    model = Clap(HTSAT_TINY).model
    names = replace(clap_names(HTSAT_TINY), unused=dict(_unused_of_clap()))
    tower = [rf"audio_branch\.(.*\.)?{part}" for part in HTSAT_ORDER]
    state = names.published(model.state_dict())
    return model, _ordered(state, ("logit_scale", *tower, *CLAP_TEXT_ORDER))


def _unused_of_clap() -> Iterator[tuple[str, Tensor]]:
    stft = "audio_branch.spectrogram_extractor.stft"
    yield f"{stft}.conv_real.weight", torch.empty(N_BINS, 1, N_FFT)
    yield f"{stft}.conv_imag.weight", torch.empty(N_BINS, 1, N_FFT)
    yield "audio_branch.logmel_extractor.melW", torch.empty(N_BINS, htsat.N_MELS)
    for name, shape in htsat.unused_shapes(HTSAT_TINY.audio, "audio_branch"):
        yield name, torch.empty(shape)
    size = HTSAT_TINY.embedding
    for tower in ("text", "audio"):
        for i in (0, 3):
            yield f"{tower}_transform.sequential.{i}.weight", torch.empty(size, size)
            yield f"{tower}_transform.sequential.{i}.bias", torch.empty(size)
    yield "text_branch.embeddings.position_ids", torch.arange(HTSAT_TINY.positions)[None]


def egovlp_4f() -> Published:
    """Return EgoVLP, and its tensors."""
    network = EgoVlp(EGOVLP)
    return network, network.state_dict()


NETWORKS: dict[str, Callable[[], Published]] = {
    "egovlp_4f": egovlp_4f,
    "wavcaps_ase": wavcaps_ase,
    "laion_clap_fusion": laion_clap_fusion,
}


@operation("retrieval", "state_dict")
def state_dict(*, network: Literal["wavcaps_ase", "laion_clap_fusion", "egovlp_4f"]) -> Results:
    """Return names, shapes and types of the tensors of a published file, in its order."""
    with torch.device("meta"):
        model, state = NETWORKS[network]()
    return state_entries(model, state)
