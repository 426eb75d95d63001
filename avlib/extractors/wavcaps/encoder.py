"""ASE's embeddings of the sounds of clips, and of texts."""

from dataclasses import asdict
from pathlib import Path

from avlib.extractors.wavcaps.weights import load_ase
from avlib.extractors.weights import write_report


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it fits the network.

    Raises:
        CheckpointError: if it does not.
    """
    write_report(target, checkpoint, {"structure": asdict(load_ase(checkpoint).sizes)})
