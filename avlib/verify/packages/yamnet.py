"""Operations of YAMNet: front end, conversion of the package, network, intervals."""

import numpy as np
import torch
from torch import Tensor

from avlib.extractors.mel_bands import SAMPLE_RATE, mel_filters
from avlib.extractors.yamnet.classes import FILE_NAME, read_class_map
from avlib.extractors.yamnet.front_end import (
    Recording,
    all_patches,
    interval_patches,
    log_mel,
    padded,
)
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.network import YamNet
from avlib.extractors.yamnet.weights import packaged_state
from avlib.verify.cases import Package
from avlib.verify.operations import Array, Numerics, Results, Weights, operation

Intervals = list[tuple[float, float]]


def converted(package: Package) -> dict[str, Tensor]:
    """Return the weights of the package by the network's names."""
    model, data = (package.files[name].read_bytes() for name in ("model.onnx", "model.data"))
    state = packaged_state(model, data, package.name)
    return {name: torch.from_numpy(array) for name, array in state.items()}


def network(weights: Weights | Package) -> YamNet:
    """Return the network with weights of the package, or by rule."""
    model = YamNet().eval()
    if isinstance(weights, Weights):
        return weights.fill(model)
    model.load_state_dict(converted(weights))
    return model


@operation("yamnet", "mel_filters")
def filters() -> Results:
    """Return the triangles, (257, 64)."""
    return {"filters": mel_filters()}


@operation("yamnet", "front_end")
def front_end(waveform: Array) -> Results:
    """Return the length of the padded signal, its log-mel, and the number of its patches."""
    signal = padded(waveform.astype(np.float64))
    patches = all_patches(waveform.astype(np.float64))
    return {"samples": len(signal), "log_mel": log_mel(signal), "n_patches": len(patches)}


@operation("yamnet", "interval_patches")
def patches_of_intervals(waveform: Array, *, intervals: Intervals) -> Results:
    """Return the first frames of the patches of each interval, and all patches."""
    starts, patches = interval_patches(waveform, intervals)
    return {"start_frames": starts, "patches": patches}


@operation("yamnet", "convert")
def convert(weights: Package) -> Results:
    """Return names, shapes and types of the converted weights, and all numbers in their order."""
    state = converted(weights)
    entries = [[name, list(t.shape), str(t.dtype).split(".")[1]] for name, t in state.items()]
    return {"entries": entries, "content": torch.cat([t.ravel() for t in state.values()])}


@operation("yamnet", "class_map")
def class_map(weights: Package) -> Results:
    """Return names and AudioSet's identifiers of the classes, a line each, and their number."""
    found = read_class_map(weights.files[FILE_NAME])
    lines = {"names": "\n".join(found.names), "mids": "\n".join(found.mids)}
    return {**lines, "n_classes": len(found.names)}


@operation("yamnet", "network")
@torch.inference_mode()
def outputs(patches: Tensor, weights: Weights | Package, numerics: Numerics) -> Results:
    """Return embedding, logits and scores of patches."""
    embedding, logits = network(weights).to(numerics.device, numerics.dtype)(patches)
    return {"embedding": embedding, "logits": logits, "scores": logits.sigmoid()}


@operation("yamnet", "interval_features")
def interval_features(
    waveform: Array, weights: Weights | Package, numerics: Numerics, *, intervals: Intervals
) -> Results:
    """Return mean embeddings and scores of intervals, as extraction makes them."""
    model = YamNetModel(network(weights), numerics.device, numerics.dtype)
    blocks = list(model.blocks(Recording(waveform, SAMPLE_RATE), intervals))
    embedding, scores = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return {"embedding": embedding, "scores": scores}
