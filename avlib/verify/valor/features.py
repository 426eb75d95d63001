"""Operations of ResNet-152, R(2+1)D-18 and VGGish as LLP has them, and of what networks see."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from avlib.extractors.clip.images import clip_input
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.extractors.resnet.network import r2plus1d_18, resnet152
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import embed
from avlib.extractors.vggish.segments import segment_patches
from avlib.extractors.weights import untrained
from avlib.verify.by_class import Arguments, Inputs, NetworkArguments, Results, operation

IMAGE_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "res152": resnet152,
    "r2plus1d_18": r2plus1d_18,
}
EMBEDDED = 32  # patches at once


@operation("valor", "image_inputs")
def image_inputs(arguments: Arguments, inputs: Inputs) -> Results:
    """Return what every network sees of an image (H, W, 3), and the image."""
    image = inputs["image"]
    results: dict[str, Any] = {
        "clip_antialias_false": clip_input([image], antialias=False),
        "clip_antialias_true": clip_input([image], antialias=True),
        "res152": res152_input([image]),
        "r2plus1d": r2plus1d_input([image]),
    }
    return {name: x[0] for name, x in results.items()} | {"image": image}


class ImageFeatureArguments(NetworkArguments):
    """Which network."""

    network: Literal["res152", "r2plus1d_18"]


@operation("valor", "image_features")
@torch.inference_mode()
def image_features(arguments: ImageFeatureArguments, inputs: Inputs) -> Results:
    """Return the features of images, or of clips."""
    network = inputs.filled(untrained(IMAGE_NETWORKS[arguments.network], 0))
    return {"features": network(inputs.tensor("images"))}


class VggishArguments(NetworkArguments):
    """Samples per second, and widths of the network."""

    sample_rate: int
    width: int = 64
    hidden: int = 4096


@operation("valor", "vggish_features")
@torch.inference_mode()
def vggish_features(arguments: VggishArguments, inputs: Inputs) -> Results:
    """Return log-mels and embeddings of the seconds of a waveform ([channels,] samples)."""
    waveform: Any = inputs["waveform"].T
    patches = segment_patches(waveform, arguments.sample_rate)
    network = inputs.filled(VGGish(width=arguments.width, hidden=arguments.hidden).eval())
    embedding = np.concatenate(list(embed(network, patches, EMBEDDED)))
    return {"log_mel": patches, "embedding": embedding}


class VggishSizes(Arguments):
    """Widths of the network."""

    width: int
    hidden: int


@operation("valor", "vggish_state_dict")
def vggish_state_dict(arguments: VggishSizes, inputs: Inputs) -> Results:
    """Return names and shapes of the weights of VGGish."""
    with torch.device("meta"):
        state = VGGish(width=arguments.width, hidden=arguments.hidden).state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in state.items()}
    return {"names": sorted(shapes), "shapes": shapes, "n_tensors": len(shapes)}
