"""Stage score_captions: what the teachers' stored features have of each class, as logits.

The towers that see and hear are not asked again: captions are compared with their stored results.
Source: Lai et al. (VALOR), NeurIPS 2023, and its published code.
"""

from collections.abc import Callable, Sequence
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
from avlib.valor.captions import CAPTIONS, caption_tokens
from avlib.valor.feature_folders import FeatureFolder
from avlib.valor.sound_texts import TEXTS, text_tokens

# Compares the features of a video, (T, E), with all captions, K.
Compare = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def score_captions(
    modality: Literal["audio", "visual"],
    features: FeatureFolder,
    *,
    checkpoint: Path,
    captions: Sequence[str] | None,
    tokenizer: Path | None,
    backend: clap.Backend,
    device: str,
    target: Path,
) -> None:
    """Write the logits of every video's segments.

    Args:
        modality: `visual` for CLIP, `audio` for CLAP.
        features: of the teacher, (T, E) a video, each of length 1.
        checkpoint: weights of the teacher.
        captions: K texts; None for the published ones.
        tokenizer: folder of the teacher's `vocab.json` and `merges.txt`; CLAP always needs it.
        backend: package that runs CLAP.
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
    torch.set_num_threads(1)  # another number gives other last bits
    where = resolve_device(device)
    if modality == "visual":
        compare = _clip_comparison(checkpoint, captions, tokenizer, where)
    else:
        network = clap.open_clap(checkpoint, backend, where)
        compare = _clap_comparison(network, captions, tokenizer)
    videos = progress(range(len(features)), "scoring captions", "videos", total=len(features))
    logits = np.stack([compare(features[i]) for i in videos])
    write_arrays({"video_ids": np.array(features.video_ids), "logits": logits}, target)


def _clip_comparison(
    checkpoint: Path, captions: Sequence[str] | None, tokenizer: Path | None, device: torch.device
) -> Compare:
    network = load_clip(checkpoint).eval().to(device)
    texts = clip.text_embeddings(network, caption_tokens(captions or CAPTIONS, tokenizer))
    return lambda features: clip.clip_logits(network, features, texts)


def _clap_comparison(
    network: clap.ClapNetwork, texts: Sequence[str] | None, tokenizer: Path | None
) -> Compare:
    if tokenizer is None:
        raise ConfigError("CLAP needs a folder with the vocab.json and merges.txt of roberta-base")
    embeddings = clap.text_embeddings(network, *text_tokens(texts or TEXTS, tokenizer))
    return lambda features: clap.clap_logits(network, features, embeddings)
