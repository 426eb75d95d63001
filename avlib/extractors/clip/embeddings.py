"""CLIP's embeddings of video frames and captions, and their scaled cosines.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code: one frame stands for one second.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.extractors.clip.images import clip_input
from avlib.extractors.clip.network import Clip
from avlib.extractors.segments import SECONDS, spread_indices
from avlib.media.frames import Frame


@torch.inference_mode()
def text_embeddings(network: Clip, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the embeddings (N, embedding) of captions, each of length 1.

    Args:
        network: on the device and in the precision that it runs in.
        tokens: (N, positions) captions between start and end token, zeros after it.
    """
    device = next(network.parameters()).device
    embeddings = network.text_embeddings(torch.from_numpy(tokens).to(device))
    return embeddings.float().cpu().numpy()


@torch.inference_mode()
def clip_features(
    network: Clip, images: Sequence[Frame], *, antialias: bool = False
) -> NDArray[np.float32]:
    """Return the features of a video: (SECONDS, embedding), each of length 1.

    Args:
        network: on the device and in the precision that it runs in.
        images: all frames of the video, one or more, of which SECONDS are used.
        antialias: see `clip_input`.
    """
    parameter = next(network.parameters())
    chosen = [images[i] for i in spread_indices(len(images), SECONDS)]
    inputs = clip_input(chosen, size=network.sizes.image_size, antialias=antialias)
    inputs = inputs.to(parameter.device, parameter.dtype)
    return network.image_embeddings(inputs).float().cpu().numpy()


@torch.inference_mode()
def clip_logits(
    network: Clip, features: NDArray[np.float32], texts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the scaled cosines (SECONDS, N) of features and embeddings of captions."""
    parameter = next(network.parameters())
    images, captions = (
        torch.from_numpy(a).to(parameter.device, parameter.dtype) for a in (features, texts)
    )
    return network.logits(images, captions).float().cpu().numpy()
