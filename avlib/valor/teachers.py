"""Stage score_captions: logits of each segment and class from stored features of a teacher.

The image and audio towers do not run again: captions are compared with the stored embeddings.
Source: Lai et al. (VALOR), NeurIPS 2023, and its published code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.errors import ConfigError, DataError
from avlib.extractors.clap import embeddings as clap
from avlib.extractors.clip import embeddings as clip
from avlib.extractors.clip.weights import load_clip
from avlib.io.arrays import write_arrays
from avlib.progress import progress
from avlib.valor.captions import CLAP_CAPTIONS, CLIP_CAPTIONS, clap_tokens, clip_tokens
from avlib.valor.feature_folders import FeatureFolder

# From the features of a video, (T, E), to their logits for all captions, (T, K).
Compare = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Teacher:
    """A contrastive network and its captions.

    Attributes:
        modality: `visual` for CLIP, `audio` for CLAP.
        checkpoint: weights.
        captions: K texts; None for the published ones.
        tokenizer: folder of the teacher's `vocab.json` and `merges.txt`; CLAP always needs it.
        backend: package that runs CLAP.
    """

    modality: Literal["audio", "visual"]
    checkpoint: Path
    captions: Sequence[str] | None
    tokenizer: Path | None
    backend: clap.Backend


def score_captions(teacher: Teacher, features: FeatureFolder, *, device: str, target: Path) -> None:
    """Write the logits of the segments of every video.

    Args:
        teacher: network and captions.
        features: embeddings of the teacher, (T, E) per video, each of length 1.
        device: auto, cpu or cuda.
        target: `.npz` file to write with `video_ids` (N,) and `logits` (N, T, K).

    Raises:
        CheckpointError: if the weights do not fit.
        ConfigError: if a tokenizer is needed and not given.
        DataError: if there are no features, one of them or the tokenizer cannot be read, or a
            caption is too long.
    """
    if not len(features):
        raise DataError(f"{features.folder}: no video has features; see the tables beside them")
    torch.set_num_threads(1)  # another number changes the last bits
    make = _clip_comparison if teacher.modality == "visual" else _clap_comparison
    compare = make(teacher, resolve_device(device))
    videos = progress(range(len(features)), "scoring captions", "videos", total=len(features))
    logits = np.stack([compare(features[i]) for i in videos])
    write_arrays({"video_ids": np.array(features.video_ids), "logits": logits}, target)


def _clip_comparison(teacher: Teacher, device: torch.device) -> Compare:
    network = load_clip(teacher.checkpoint).eval().to(device)
    tokens = clip_tokens(teacher.captions or CLIP_CAPTIONS, teacher.tokenizer)
    texts = clip.text_embeddings(network, tokens)
    return lambda features: clip.clip_logits(network, features, texts)


def _clap_comparison(teacher: Teacher, device: torch.device) -> Compare:
    network = clap.open_clap(teacher.checkpoint, teacher.backend, device)
    if teacher.tokenizer is None:
        raise ConfigError("CLAP needs a folder with the vocab.json and merges.txt of roberta-base")
    tokens = clap_tokens(teacher.captions or CLAP_CAPTIONS, teacher.tokenizer)
    texts = clap.text_embeddings(network, *tokens)
    return lambda features: clap.clap_logits(network, features, texts)
