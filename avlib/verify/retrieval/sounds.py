"""Operations of the encoders of sounds and texts: front ends, networks, and their weights."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avlib.extractors.clap import log_mel as clap_mel
from avlib.extractors.clap.network import HTSAT_TINY, Clap
from avlib.extractors.clap.weights import published_names as clap_names
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.htsat_tower import HtsatTower
from avlib.extractors.wavcaps import log_mel as ase_mel
from avlib.extractors.wavcaps.encoder import clean_caption
from avlib.extractors.wavcaps.network import HTSAT_BERT, Ase
from avlib.extractors.wavcaps.weights import published_names as ase_names
from avlib.extractors.wavcaps.weights import untrained_ase
from avlib.verify.networks import recorded
from avlib.verify.operations import Array, Results, Weights, operation


@operation("retrieval", "wavcaps_text")
def wavcaps_text(texts: Sequence[str]) -> Results:
    """Return texts as those that ASE was trained on."""
    return {"out": [clean_caption(text) for text in texts]}


@operation("retrieval", "ase_front_end")
def ase_front_end(waveform: Array, *, py_seed: int) -> Results:
    """Return the log-mel of a waveform at 32 kHz, its crop, and where that begins.

    The seed is of Python's generator, which draws the start.
    """
    sound = waveform.ravel().astype(np.float32)
    first, longest = 0, ase_mel.CLIP_SAMPLES
    if len(sound) > longest:
        first = random.Random(py_seed).randint(0, len(sound) - longest)
    sound = sound[first : first + longest]
    padded = np.pad(sound, (0, longest - len(sound)))
    mel = ase_mel.sound_mel(torch.from_numpy(sound))
    return {"mel": mel, "waveform": padded, "crop_start": first}


@operation("retrieval", "clap_front_end")
def clap_front_end(
    waveform: Array, *, np_seed: int, filling: clap_mel.Filling, int16_round_trip: bool
) -> Results:
    """Return the log-mels of a waveform at 48 kHz, and the waveform that published code returns.

    The seed is of numpy's legacy generator, which draws the chunks, and then the start of that
    waveform.
    """
    sound, longest = waveform.ravel().astype(np.float32), clap_mel.CLAP_SAMPLES
    draws = np.random.RandomState(np_seed)
    mel, is_longer = clap_mel.fused_mels(
        sound, draws.choice, antialias=False, filling=filling, int16_round_trip=int16_round_trip
    )
    shown = clap_mel.quantise(sound) if int16_round_trip else sound
    if len(shown) > longest:
        first = draws.randint(0, len(shown) - longest + 1)
        shown = shown[first : first + longest]
    else:
        shown = clap_mel.filled(shown, filling)
    return {"mel": mel, "waveform": shown, "longer": is_longer}


@operation("retrieval", "ase_forward")
@torch.inference_mode()
def ase_forward(
    weights: Weights, waveforms: Tensor, input_ids: Tensor, attention_mask: Tensor
) -> Results:
    """Return embeddings of sounds at 32 kHz and of texts, and what the stages of ASE give."""
    network = weights.fill(untrained_ase(HTSAT_BERT, 0), ase_names(HTSAT_BERT))
    log_mels = torch.stack([ase_mel.sound_mel(sound.float()) for sound in waveforms])[:, None]
    encoder = network.audio.audio_encoder
    images: list[Tensor] = []
    hook = encoder.patch_embed.register_forward_pre_hook(lambda _, x: images.append(x[0]))
    log_mels = log_mels.to(weights.numerics.dtype)
    with recorded(_stages(network)) as found:
        network.audio(input_features=log_mels)
        texts = network.text_embeddings(input_ids.long(), attention_mask.long())
    hook.remove()
    pooled = HtsatTower(network.audio)(log_mels)
    stages = {name: x[0] if isinstance(x, tuple) else x for name, x in found.items()}
    return stages | {
        "logmel": log_mels,
        "reshape_wav2img": images[0],
        "htsat_embedding": pooled,
        "audio_embedding": network.project_sounds(pooled),
        "text_cls": found["text"].last_hidden_state[:, 0],
        "text_embedding": texts,
    }


def _stages(network: Ase) -> Mapping[str, nn.Module]:
    encoder: Any = network.audio.audio_encoder
    blocks = encoder.layers[0].blocks
    return {
        "bn0": encoder.batch_norm,
        "patch_embed": encoder.patch_embed,
        **{f"layer0_block{i}": block for i, block in enumerate(blocks)},
        **{f"layer{i}": layer for i, layer in enumerate(encoder.layers)},
        "norm": encoder.norm,
        "text": network.text,
    }


def clap(weights: Weights) -> Clap:
    """Return CLAP with weights by rule."""
    network = untrained_clap(HTSAT_TINY, 0)
    weights.fill(network.model, clap_names(HTSAT_TINY))
    return network.to(weights.numerics.device, weights.numerics.dtype)


@operation("retrieval", "clap_forward", build=clap)
@torch.inference_mode()
def clap_forward(
    build: Callable[[], Clap],
    mels: Tensor,
    longer: Array | None = None,
    input_ids: Tensor | None = None,
    attention_mask: Tensor | None = None,
    *,
    fusion: bool,
    one_by_one: bool,
    text_rows: int | None = None,
) -> Results:
    """Return embeddings of log-mels, and the flags that the published evaluation has afterwards.

    It fuses one sound of a batch without a longer one: a short sound that comes alone. With
    `one_by_one` each of them does.
    """
    network = build()
    flags = np.zeros(len(mels), bool) if longer is None else np.asarray(longer, bool)
    if fusion and (one_by_one or not flags.any()):
        flags = np.ones(len(mels), bool)
    pooled = HtsatTower(network.model.audio_model)(mels, torch.from_numpy(flags).to(mels.device))
    results = {
        "embedding": pooled,
        "audio": network.project_sounds(pooled),
        "longer_after": flags.astype(int),
    }
    if input_ids is not None and attention_mask is not None:
        rows = slice(text_rows)
        texts = network.text_embeddings(input_ids[rows].long(), attention_mask[rows].long())
        results["text"] = texts
    return results


@operation("retrieval", "clap_text", build=clap)
@torch.inference_mode()
def clap_text(build: Callable[[], Clap], input_ids: Tensor, attention_mask: Tensor) -> Results:
    """Return embeddings of texts, and what they are projected from."""
    network = build()
    with recorded({"text": network.model.text_model}) as found:
        texts = network.text_embeddings(input_ids.long(), attention_mask.long())
    return {"text": texts, "text_pooler": found["text"].pooler_output}
