"""Checkpoints of EgoVLP, under the names of the published `egovlp.pth`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from avlib.extractors.egovlp.network import PUBLISHED, EgoVlp, EgoVlpSizes
from avlib.extractors.structure import naming_structure, own_structure
from avlib.extractors.weights import build_network, untrained
from avlib.io.checkpoints import fit_state_dict, read_weights

FRAME_TABLE = "video_model.temporal_embed"
# A buffer of the text tower that files of older releases of transformers hold.
COUNTER = "text_model.embeddings.position_ids"


def with_frames(state: Mapping[str, Tensor], num_frames: int) -> dict[str, Tensor]:
    """Return weights for clips of `num_frames`, whatever number they were trained on.

    The table of frames keeps its first rows; further ones are zero, as published.
    """
    table = state[FRAME_TABLE][:, :num_frames]  # (1, N, width)
    return {**state, FRAME_TABLE: F.pad(table, (0, 0, 0, num_frames - table.shape[1]))}


def load_egovlp(checkpoint: Path, num_frames: int) -> EgoVlp:
    """Return the network of a checkpoint for clips of up to `num_frames`, in float32.

    The structure is that which our own weights describe, or the published one. The file may hold
    objects beside the tensors, such as the settings of the program that wrote it; nothing of them
    is run.

    Raises:
        CheckpointError: if the file cannot be read, or does not fit.
    """
    stored = read_weights(checkpoint, allows_foreign=True)
    state = {name: tensor for name, tensor in stored.state.items() if name != COUNTER}
    with naming_structure(checkpoint):
        sizes = own_structure(stored.settings, EgoVlpSizes) or PUBLISHED
    if FRAME_TABLE in state and state[FRAME_TABLE].ndim == 3:
        state, sizes = with_frames(state, num_frames), replace(sizes, frames=num_frames)
    network = build_network(lambda: EgoVlp(sizes), checkpoint)
    fit_state_dict(network, state, checkpoint)
    return network


def untrained_egovlp(sizes: EgoVlpSizes, seed: int) -> EgoVlp:
    """Return a network with random weights, whose embeddings are meaningless."""
    return untrained(lambda: EgoVlp(sizes), seed)
