"""Checkpoints of ASE, under the names of `HTSAT-BERT-FT-*.pt`, and those that are trained here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from avlib.extractors import htsat
from avlib.extractors.structure import naming_structure, own_structure
from avlib.extractors.wavcaps.network import HTSAT_BERT, Ase, AseSizes
from avlib.extractors.weights import build_network, untrained
from avlib.io.checkpoints import read_weights
from avlib.io.renaming import Renaming, fit_renamed
from avlib.io.weights import lost_settings

OWN_AUDIO, OWN_TEXT = "audio.audio_encoder", "text"
AUDIO, TEXT = "audio_encoder.audio_enc", "text_encoder.text_encoder"
FRONT_END = f"{AUDIO}.audio_feats_extractor"
N_FFT, N_BINS = 1024, 513  # of the front end, whose window and filters published files hold


def published_names(sizes: AseSizes) -> Renaming:
    """Return how the published file calls the tensors of `Ase`."""
    with torch.device("meta"):
        own = list(Ase(sizes).state_dict())
    audio = htsat.published_names(own, OWN_AUDIO, AUDIO)
    text = {n: n.replace(OWN_TEXT, TEXT, 1) for n in own if n.startswith(f"{OWN_TEXT}.")}
    return Renaming(names={**audio.names, **text}, thirds=audio.thirds)


def unused_tensors(sizes: AseSizes) -> Iterator[tuple[str, Tensor]]:
    """Yield names and shapes, as tensors without values, of what embeddings do not need."""
    for part in ("real", "imag"):
        name = f"{FRONT_END}.mel_trans.stft.conv_{part}.weight"
        yield name, torch.empty(N_BINS, 1, N_FFT, device="meta")
    yield f"{FRONT_END}.log_trans.melW", torch.empty(N_BINS, htsat.N_MELS, device="meta")
    for name, shape in htsat.unused_shapes(sizes.audio, AUDIO):
        yield name, torch.empty(shape, device="meta")
    yield f"{TEXT}.embeddings.position_ids", torch.arange(sizes.positions)[None]


def load_ase(checkpoint: Path) -> Ase:
    """Return the network of a checkpoint, in float32.

    Args:
        checkpoint: `HTSAT-BERT-FT-AudioCaps.pt`, `HTSAT-BERT-FT-Clotho.pt`, or weights that were
            trained here.

    Raises:
        CheckpointError: if the file cannot be read or does not fit, or the structure of its network
            is not known.
    """
    stored = read_weights(checkpoint, allows_foreign=True)
    is_own = any(name.startswith(f"{OWN_AUDIO}.") for name in stored.state)
    with naming_structure(checkpoint):
        sizes = own_structure(stored.settings, AseSizes)
    if is_own and sizes is None:
        raise lost_settings(checkpoint, "the structure of the network")
    sizes = sizes or HTSAT_BERT
    network = build_network(lambda: Ase(sizes), checkpoint)
    names = Renaming({}) if is_own else published_names(sizes)
    unused = {n: t for n, t in unused_tensors(sizes) if n in stored.state and not is_own}
    fit_renamed(network, stored.state, checkpoint, replace(names, unused=unused))
    return network


def untrained_ase(sizes: AseSizes, seed: int) -> Ase:
    """Return a network with random weights, whose embeddings are meaningless."""
    return untrained(lambda: Ase(sizes), seed)
