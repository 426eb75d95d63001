"""Operations of the audio teacher: log-mels, embeddings, feature maps and logits of a waveform."""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avlib.extractors.clap.embeddings import (
    ClapNetwork,
    clap_logits,
    clap_map,
    clap_segments,
    text_embeddings,
)
from avlib.extractors.clap.laion import LaionClap
from avlib.extractors.clap.log_mel import (
    CLIP_FRAMES,
    chunk_ranges,
    fused_mels,
    log_mel,
    quantise,
    segment_mels,
    stretched_mel,
)
from avlib.extractors.clap.network import HTSAT_TINY, Clap
from avlib.extractors.clap.weights import published_names, untrained_clap
from avlib.verify.by_class import Inputs, NetworkArguments, Results, operation
from avlib.verify.cases import CaseError
from avlib.verify.operations import Numerics
from avlib.verify.rule import Fill
from avlib.verify.valor.rule_network import fill_published
from avlib.verify.valor.visual_teacher import TeacherSizes, clap_sizes, taken_weights


class ClapArguments(NetworkArguments):
    """Logarithm of the scale of the logits."""

    logit_scale: float


@operation("valor", "clap_clip")
def clap_clip(arguments: ClapArguments, inputs: Inputs) -> Results:
    """Return what a clip at 48 kHz becomes, and how well its seconds fit some texts.

    `mel_segments/<second>` and `mel_full` are log-mels in decibels, of the clip stretched to ten
    seconds the latter.
    """
    waveform = inputs["waveform"]
    network = _network(inputs, arguments.logit_scale)
    segments = clap_segments(network, waveform)
    tokens, mask = (inputs[name].astype(np.int64) for name in ("input_ids", "attention_mask"))
    texts = text_embeddings(network, tokens, mask)
    full = stretched_mel(waveform)
    return {
        "seg_embedding": segments,
        "text_embedding": texts,
        "logits": clap_logits(network, segments, texts),
        "feature_map": clap_map(network, waveform),
        **{f"mel_segments/{i}": mel for i, mel in enumerate(segment_mels(waveform))},
        "mel_full": full,
        "longer": [len(full) > CLIP_FRAMES],
    }


class LongerArguments(ClapArguments):
    """Settings of a clip of more than ten seconds.

    Attributes:
        numpy_seed: of numpy's legacy generator, which draws the starts of the chunks.
        antialias: whether the log-mel is smoothed before it is shrunk.
    """

    numpy_seed: int
    antialias: bool


@operation("valor", "clap_longer_clip")
@torch.inference_mode()
def clap_longer_clip(arguments: LongerArguments, inputs: Inputs) -> Results:
    """Return the embedding of a longer clip, its log-mel shrunk, and where its chunks start."""
    waveform = inputs["waveform"]
    bands = log_mel(quantise(waveform))
    draws = np.random.RandomState(arguments.numpy_seed)
    starts = [int(draws.choice(places)) for places in chunk_ranges(len(bands))]
    network = _network(inputs, arguments.logit_scale)
    draws = np.random.RandomState(arguments.numpy_seed)
    mels, is_longer = fused_mels(waveform, draws.choice, antialias=arguments.antialias)
    longer = torch.tensor([is_longer], device=network.device)
    embedding, _ = network.listen(mels[None].to(network.device, network.dtype), longer)
    return {
        "chunk_starts": starts,
        "chunk_first_frames": bands[starts],
        "mel_shrunk": mels[0],
        "embedding": embedding,
    }


def _network(inputs: Inputs, logit_scale: float) -> ClapNetwork:
    fill = inputs["weights"]
    if not isinstance(fill, Fill):
        raise CaseError("input 'weights': expected weights by rule")
    key = (fill.seed, fill.gain, tuple(sorted(fill.scale.items())))
    return _filled(key, logit_scale, inputs.numerics)


@lru_cache(maxsize=1)  # cases share their weights
def _filled(key: tuple[int, float, Any], logit_scale: float, numerics: Numerics) -> ClapNetwork:
    seed, gain, scale = key
    network = untrained_clap(HTSAT_TINY, 0)
    fill_published(network.model, Fill(seed, gain, dict(scale)), published_names(HTSAT_TINY))
    with torch.no_grad():
        network.model.logit_scale_a.fill_(logit_scale)
    if numerics.clap_backend == "laion_clap":
        return _of_the_package(network, numerics)
    return network.to(numerics.device, numerics.dtype)


def _of_the_package(network: Clap, numerics: Numerics) -> LaionClap:
    """Return the network of the package laion_clap with the weights of `network`."""
    weights = published_names(HTSAT_TINY).published(network.model.state_dict())
    content = {"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "by_rule.pt"
        torch.save(content, checkpoint)
        return LaionClap(checkpoint, numerics.device, numerics.dtype)


@operation("valor", "clap_state_dict")
def clap_state_dict(arguments: TeacherSizes, inputs: Inputs) -> Results:
    """Return published names and shapes of the weights of CLAP."""
    sizes = clap_sizes(arguments.sizes)
    with torch.device("meta"):
        state = Clap(sizes).model.state_dict()
    return taken_weights(state, published_names(sizes))
