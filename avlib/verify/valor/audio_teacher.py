"""Golden cases of the audio teacher: log-mels, embeddings, feature maps and logits of a sound."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.clap.embeddings import (
    ClapNetwork,
    clap_logits,
    clap_map,
    clap_segments,
    text_embeddings,
)
from avlib.extractors.clap.laion import LaionClap
from avlib.extractors.clap.log_mel import (
    SAMPLE_RATE,
    chunk_ranges,
    fused_mels,
    log_mel,
    quantise,
    segment_mels,
    stretched_mel,
)
from avlib.extractors.clap.network import HTSAT_TINY, Clap
from avlib.extractors.clap.weights import published_names, untrained_clap
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import rule_input
from avlib.verify.tolerance import Tolerance
from avlib.verify.valor.rule_network import fill_published

# Of a wave: two tones, of which the second rises, and noise.
DEFAULTS = {"f0": 440.0, "f1": 300.0, "sw": 150.0, "amp": 1.0}
MEL_STEP, SHRUNK_STEP = 40, 100  # distance of the frames that files hold
LOGIT_SCALE = float(np.log(1 / 0.07))  # what the network begins with


def clip(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare what a clip becomes, and how far its seconds fit some texts."""
    c, golden = case.content, case.arrays
    sound = _wave(c["waveform_parameters"])
    network = _network(c["fill_seed"], numerics)
    segments, features = clap_segments(network, sound), clap_map(network, sound)
    given = (golden[name].astype(np.int64) for name in ("input_ids", "attention_mask"))
    texts = text_embeddings(network, *given)
    results: dict[str, NDArray[Any] | Tensor] = {
        "seg_embedding": segments,
        "text_embedding": texts,
        "logits": clap_logits(network, segments, texts),
        "feature_map": features[c["selected_positions"]],
        "feature_map_mean_over_positions": features.mean(axis=0),
        "feature_map_mean_over_channels": features.mean(axis=1),
        "mel_seg0": segment_mels(sound)[0, ::MEL_STEP],
        "mel_full": stretched_mel(sound)[::MEL_STEP],
        "longer": np.zeros(1),
    }
    for name, result in results.items():
        if name in golden:
            yield compare(name, result, golden[name], _tolerance(case, name))


@torch.inference_mode()
def longer_clip(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare a sound of more than 10 s, which is shrunk and of which chunks are drawn."""
    c, golden = case.content, case.arrays
    sound = _wave(c["waveform_parameters"])
    bands = log_mel(quantise(sound))
    draws = np.random.RandomState(c["numpy_legacy_seed"])
    starts = [int(draws.choice(r)) for r in chunk_ranges(len(bands))]
    yield compare_exactly("chunk_starts", starts, golden["chunk_starts"].tolist())
    first = "mel_chunks_first_frame"
    yield compare(first, bands[starts], golden[first], _tolerance(case, first))
    network = _network(c["fill_seed"], numerics)
    for antialias in (True, False):
        name = f"antialias_{str(antialias).lower()}"
        if f"embedding_{name}" not in golden:
            continue
        draws = np.random.RandomState(c["numpy_legacy_seed"])
        mels, is_longer = fused_mels(sound, draws.choice, antialias=antialias)
        inputs = mels[None].to(network.device, network.dtype)
        longer = torch.tensor([is_longer], device=network.device)
        embedding, _ = network.listen(inputs, longer)
        results = {f"mel_shrink_{name}": mels[0, ::SHRUNK_STEP], f"embedding_{name}": embedding}
        for array, result in results.items():
            yield compare(array, result, golden[array], _tolerance(case, array))


def _wave(parameters: Mapping[str, Any]) -> NDArray[np.float32]:
    n, seed = parameters.get("n", parameters.get("N")), parameters["seed"]
    f0, f1, sweep, amplitude = (parameters.get(name, size) for name, size in DEFAULTS.items())
    t = np.arange(n) / SAMPLE_RATE
    low = 0.3 * np.sin(2 * np.pi * f0 * t)
    rising = 0.2 * np.sin(2 * np.pi * (f1 + sweep * t) * t)
    noise = 0.05 * rule_input("wave", (n,), seed).astype(np.float64)
    return (amplitude * (low + rising + noise)).astype(np.float32)


@lru_cache(maxsize=1)  # cases share their weights
def _network(seed: int, numerics: Numerics) -> ClapNetwork:
    network = untrained_clap(HTSAT_TINY, 0)
    fill_published(network.model, seed, published_names(HTSAT_TINY))
    with torch.no_grad():
        network.model.logit_scale_a.fill_(LOGIT_SCALE)
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


def _tolerance(case: Case, array: str) -> Tolerance:
    """Read the entries for embeddings, feature maps and log-mels in decibels, or one for all."""
    given = case.content.get("tolerance", case.sidecar.get("tolerance"))
    kinds = {"mel_": "mel_abs_db", "feature_map": "feature_map_abs", "": "embedding_abs"}
    key = next(key for prefix, key in kinds.items() if re.match(prefix, array))
    if isinstance(given, Mapping) and key in given:
        return Tolerance(float(given[key]), 0.0)
    return case.tolerance(array)
