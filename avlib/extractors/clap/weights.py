"""Checkpoints of CLAP, under the names of `630k-fusion-best.pt` and those of transformers."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from avlib.errors import CheckpointError
from avlib.extractors import htsat
from avlib.extractors.clap.network import Clap, ClapSizes
from avlib.extractors.clap.structure import read_structure
from avlib.extractors.weights import build_network, untrained
from avlib.io.checkpoints import read_weights
from avlib.io.renaming import Renaming, count_blocks, fit_renamed, with_parameters

OWN_MARK = "audio_model.audio_encoder.batch_norm.weight"  # in files with the package's names
AUDIO, TEXT = "audio_model.audio_encoder", "text_model"
PROJECTIONS = {
    f"{tower}_projection.linear{i}": f"{tower}_projection.{2 * (i - 1)}"
    for tower in ("audio", "text")
    for i in (1, 2)
}
# Buffers of the text tower that the published file holds under another name, or not at all.
COUNTERS = {f"{TEXT}.embeddings.position_ids", f"{TEXT}.embeddings.token_type_ids"}
# Parts of the published file that neither embeddings nor feature maps need.
UNUSED = (
    "text_branch.embeddings.position_ids",
    "text_branch.embeddings.token_type_ids",
    "text_transform.",
    "audio_transform.",
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
)


def published_names(sizes: ClapSizes) -> Renaming:
    """Return how the published file calls the tensors of `Clap.model`, but for the UNUSED ones."""
    with torch.device("meta"):
        own = Clap(sizes).model.state_dict()
    audio = htsat.published_names(own, AUDIO, "audio_branch")
    text = {n: n.replace(TEXT, "text_branch", 1) for n in own if n.startswith(f"{TEXT}.")}
    names = {**audio.names, **text, **dict(with_parameters(PROJECTIONS))}
    return Renaming(names=names, thirds=audio.thirds, absent=COUNTERS)


def is_unused(name: str) -> bool:
    """Return whether a file's tensor is needed for neither embeddings nor feature maps."""
    return name.startswith(UNUSED) or name.endswith(".attn_mask") or name in COUNTERS


def infer_sizes(state: Mapping[str, Tensor]) -> ClapSizes:
    """Return the sizes of the network with these weights, in either naming.

    Raises:
        KeyError: if a tensor that decides a size is missing.
    """
    is_own = OWN_MARK in state
    audio, text = (AUDIO, TEXT) if is_own else ("audio_branch", "text_branch")
    table = f"{'attention.self' if is_own else 'attn'}.relative_position_bias_table"
    n_stages = count_blocks(state, f"{audio}.layers.")
    layer = f"{text}.encoder.layer."
    return ClapSizes(
        audio_width=len(state[f"{audio}.patch_embed.proj.bias"]),
        audio_depths=tuple(
            count_blocks(state, f"{audio}.layers.{i}.blocks.") for i in range(n_stages)
        ),
        audio_heads=tuple(
            state[f"{audio}.layers.{i}.blocks.0.{table}"].shape[-1] for i in range(n_stages)
        ),
        text_width=len(state[f"{text}.pooler.dense.bias"]),
        text_depth=count_blocks(state, layer),
        text_feedforward=len(state[f"{layer}0.intermediate.dense.bias"]),
        vocabulary=len(state[f"{text}.embeddings.word_embeddings.weight"]),
        positions=len(state[f"{text}.embeddings.position_embeddings.weight"]),
        embedding=len(
            state["text_projection.linear2.bias" if is_own else "text_projection.2.bias"]
        ),
        patch_size=state[f"{audio}.patch_embed.proj.weight"].shape[-1],
    )


def load_clap(checkpoint: Path) -> Clap:
    """Return the network of a checkpoint, of the file's own structure and in float32.

    Args:
        checkpoint: a file, the index of several, or a Hugging Face folder of either.

    Raises:
        CheckpointError: if the file cannot be read or does not fit, or the structure of its network
            is not known.
    """
    stored = read_weights(checkpoint, allows_foreign=True)
    state = {name: tensor for name, tensor in stored.state.items() if not is_unused(name)}
    try:
        inferred = infer_sizes(state)
    except (KeyError, IndexError, TypeError) as error:
        raise CheckpointError(
            f"{checkpoint}: no {error.args[0]}; not a file of CLAP with an HTSAT"
        ) from error
    sizes = read_structure(checkpoint, stored.settings, inferred)
    network = build_network(lambda: Clap(sizes), checkpoint)
    own_names = Renaming({}, absent=COUNTERS)
    fit_renamed(
        network.model, state, checkpoint, own_names if OWN_MARK in state else published_names(sizes)
    )
    return network


def untrained_clap(sizes: ClapSizes, seed: int) -> Clap:
    """Return a network with random weights, whose embeddings are meaningless."""
    return untrained(lambda: Clap(sizes), seed)
