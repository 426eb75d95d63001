"""Checkpoints of VideoMAE, as published for EPIC-KITCHENS."""

from pathlib import Path

import torch

from avlib.errors import CheckpointError
from avlib.extractors.videomae.network import HEADS, VIT_L, VideoMAE, infer_sizes
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, load_state_dict


def load_videomae(checkpoint: Path) -> VideoMAE:
    """Return the network of a checkpoint, at the file's own sizes.

    Raises:
        CheckpointError: if the file cannot be read or does not fit, or its width is of no ViT.
    """
    state = load_state_dict(checkpoint, allows_foreign=True)
    try:
        sizes = infer_sizes(state)
    except KeyError as error:
        raise CheckpointError(f"{checkpoint}: no {error.args[0]}; not a VideoMAE file") from error
    if sizes.width not in HEADS:
        raise CheckpointError(
            f"{checkpoint}: a VideoMAE of width {sizes.width}, whose number of heads is not known; "
            f"those of width {', '.join(map(str, HEADS))} are"
        )
    with torch.device("meta"):
        network = VideoMAE(sizes)
    network.to_empty(device="cpu")  # every tensor comes from the file
    fit_state_dict(network, state, checkpoint)
    return network.eval()


def untrained_videomae(seed: int) -> VideoMAE:
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(lambda: VideoMAE(VIT_L), seed)
