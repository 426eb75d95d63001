"""Operations of the teachers CLAP and CLIP, and of the networks that make LLP's features."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from avlib.extractors.clap import embeddings, log_mel
from avlib.extractors.clap.laion import LaionClap
from avlib.extractors.clap.network import HTSAT_TINY, Clap, ClapSizes
from avlib.extractors.clap.weights import published_names, untrained_clap
from avlib.extractors.clip.images import clip_input
from avlib.extractors.clip.network import VIT_L_14, Clip, ClipSizes
from avlib.extractors.clip.weights import openai_names
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.extractors.resnet.network import r2plus1d_18, resnet152
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import embed
from avlib.extractors.vggish.segments import segment_patches
from avlib.extractors.weights import untrained
from avlib.io.renaming import Renaming, without_weights
from avlib.valor.captions import clip_tokens
from avlib.verify.networks import state_entries
from avlib.verify.operations import Array, Results, Weights, operation
from avlib.verify.rule import OWN_NAMES

Names = Literal["huggingface", "openai"]
EMBEDDED = 32  # patches at once


def clap(weights: Weights, *, logit_scale: float) -> embeddings.ClapNetwork:
    """Return CLAP with weights by rule; `logit_scale` is the logarithm of the scale."""
    numerics, names = weights.numerics, published_names(HTSAT_TINY)
    network = untrained_clap(HTSAT_TINY, 0)
    weights.fill(network.model, names)
    with torch.no_grad():
        network.model.logit_scale_a.fill_(logit_scale)
    if numerics.clap_backend == "transformers":
        return network.to(numerics.device, numerics.dtype)
    published = names.published(network.model.state_dict())
    content = {"state_dict": {f"module.{name}": tensor for name, tensor in published.items()}}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "by_rule.pt"
        torch.save(content, checkpoint)
        return LaionClap(checkpoint, numerics.device, numerics.dtype)


@operation("valor", "clap_clip", build=clap)
def clap_clip(build: Any, waveform: Array, input_ids: Array, attention_mask: Array) -> Results:
    """Return what a clip at 48 kHz becomes, and how well its seconds fit some texts.

    `mel_segments/<second>` and `mel_full` are log-mels in decibels, of the clip stretched to ten
    seconds the latter.
    """
    network = build()
    segments = embeddings.clap_segments(network, waveform)
    tokens = (input_ids.astype(np.int64), attention_mask.astype(np.int64))
    texts = embeddings.text_embeddings(network, *tokens)
    full = log_mel.stretched_mel(waveform)
    return {
        "seg_embedding": segments,
        "text_embedding": texts,
        "logits": embeddings.clap_logits(network, segments, texts),
        "feature_map": embeddings.clap_map(network, waveform),
        **{f"mel_segments/{i}": mel for i, mel in enumerate(log_mel.segment_mels(waveform))},
        "mel_full": full,
        "longer": [len(full) > log_mel.CLIP_FRAMES],
    }


@operation("valor", "clap_longer_clip", build=clap)
@torch.inference_mode()
def clap_longer_clip(build: Any, waveform: Array, *, numpy_seed: int, antialias: bool) -> Results:
    """Return the embedding of a longer clip, its log-mel shrunk, and where its chunks start.

    The seed is of numpy's legacy generator, which draws the starts of the chunks.
    """
    bands = log_mel.log_mel(log_mel.quantise(waveform))
    draws = np.random.RandomState(numpy_seed)
    starts = [int(draws.choice(places)) for places in log_mel.chunk_ranges(len(bands))]
    draws, network = np.random.RandomState(numpy_seed), build()
    mels, is_longer = log_mel.fused_mels(waveform, draws.choice, antialias=antialias)
    longer = torch.tensor([is_longer], device=network.device)
    embedding, _ = network.listen(mels[None].to(network.device, network.dtype), longer)
    frames = bands[starts]
    return {
        **{"chunk_starts": starts, "chunk_first_frames": frames},
        **{"mel_shrunk": mels[0], "embedding": embedding},
    }


def _weight_list(network: nn.Module, names: Renaming = OWN_NAMES) -> Results:
    found = state_entries(network, names.published(network.state_dict()))
    return found | {"names": sorted(found["names"])}


@operation("valor", "clap_state_dict")
def clap_state_dict(*, sizes: ClapSizes) -> Results:
    """Return published names and shapes of the weights of CLAP."""
    with torch.device("meta"):
        return _weight_list(Clap(sizes).model, published_names(sizes))


def _clip_names(names: Names, sizes: ClipSizes) -> Renaming:
    return openai_names(sizes.vision.depth, sizes.text.depth) if names == "openai" else OWN_NAMES


@operation("valor", "clip_state_dict")
def clip_state_dict(*, sizes: ClipSizes, names: Names) -> Results:
    """Return published names and shapes of the weights of CLIP."""
    with torch.device("meta"):
        return _weight_list(Clip(sizes).model, _clip_names(names, sizes))


@operation("valor", "clip_embeddings")
@torch.inference_mode()
def clip_embeddings(
    weights: Weights, images: Tensor, token_ids: Tensor, *, names: Names, logit_scale: float
) -> Results:
    """Return embeddings of images and of tokens of captions, and their logits, of ViT-L/14."""
    network = without_weights(lambda: Clip(VIT_L_14))
    network.model.logit_scale.fill_(logit_scale)
    weights.fill(network.model, _clip_names(names, VIT_L_14))
    image, text = network.image_embeddings(images), network.text_embeddings(token_ids.long())
    return {"image": image, "text": text, "logits_per_image": network.logits(image, text)}


@operation("valor", "caption_tokens")
def tokens_of_captions(captions: Any) -> Results:
    """Return the padded tokens of captions."""
    return {"token_ids": clip_tokens(captions)}


@operation("valor", "image_inputs")
def image_inputs(image: Array) -> Results:
    """Return what every network sees of an image (H, W, 3), and the image."""
    return {
        "clip_antialias_false": clip_input([image], antialias=False)[0],
        "clip_antialias_true": clip_input([image], antialias=True)[0],
        "res152": res152_input([image])[0],
        "r2plus1d": r2plus1d_input([image])[0],
        "image": image,
    }


@operation("valor", "image_features")
@torch.inference_mode()
def image_features(
    weights: Weights, images: Tensor, *, network: Literal["res152", "r2plus1d_18"]
) -> Results:
    """Return the features of images, or of clips."""
    build: Any = resnet152 if network == "res152" else r2plus1d_18
    return {"features": weights.fill(untrained(build, 0))(images)}


@operation("valor", "vggish_features", build=partial(VGGish, width=64, hidden=4096))
@torch.inference_mode()
def vggish_features(build: Any, weights: Weights, waveform: Array, *, sample_rate: int) -> Results:
    """Return log-mels and embeddings of the seconds of a waveform ([channels,] samples)."""
    patches = segment_patches(waveform.T, sample_rate)
    embedding = np.concatenate(list(embed(weights.fill(build().eval()), patches, EMBEDDED)))
    return {"log_mel": patches, "embedding": embedding}


@operation("valor", "vggish_state_dict")
def vggish_state_dict(*, width: int, hidden: int) -> Results:
    """Return names and shapes of the weights of VGGish."""
    with torch.device("meta"):
        return _weight_list(VGGish(width=width, hidden=hidden))
