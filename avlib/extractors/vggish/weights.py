"""Checkpoints of VGGish, under the names of `vggish-10086976.pth`."""

from pathlib import Path

from avlib.errors import CheckpointError
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, load_state_dict

FIRST_CONVOLUTION, FIRST_LINEAR = "features.0.weight", "embeddings.0.weight"


def load_vggish(checkpoint: Path) -> VGGish:
    """Return the network of a checkpoint, at the file's own width.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    state = load_state_dict(checkpoint)
    if not {FIRST_CONVOLUTION, FIRST_LINEAR} <= state.keys():
        raise CheckpointError(f"{checkpoint}: no {FIRST_LINEAR}; not a VGGish file")
    network = VGGish(width=len(state[FIRST_CONVOLUTION]), hidden=len(state[FIRST_LINEAR]))
    fit_state_dict(network, state, checkpoint)
    return network.eval()


def untrained_vggish(seed: int) -> VGGish:
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(lambda: VGGish(width=64, hidden=4096), seed)
