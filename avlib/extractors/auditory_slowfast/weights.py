"""Checkpoints of Auditory SlowFast, at any width and number of classes."""

import logging
from pathlib import Path

from avlib.errors import CheckpointError
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.presets import PRESETS
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.metadata import load_metadata

logger = logging.getLogger(__name__)

STEM_WEIGHT = "s1.pathway0_stem.conv.weight"


def load_network(checkpoint: Path) -> AuditorySlowFast:
    """Return the network of a checkpoint, at the file's own width and number of classes.

    Raises:
        CheckpointError: if the file cannot be read, or its backbone does not fit.
    """
    state = load_state_dict(checkpoint)
    if STEM_WEIGHT not in state:
        raise CheckpointError(f"{checkpoint}: no {STEM_WEIGHT}; not an Auditory SlowFast file")
    heads = [state[n].shape[0] for n in sorted(state, reverse=True) if _is_head_weight(n)]
    network = AuditorySlowFast(num_classes=heads or (1,), width=state[STEM_WEIGHT].shape[0])
    fit_state_dict(network, state, checkpoint, skip=None if heads else "head.")
    return network.eval()


def untrained_network(seed: int) -> AuditorySlowFast:
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(lambda: AuditorySlowFast(num_classes=(1,), width=64), seed)


def check_preset(network: AuditorySlowFast, checkpoint: Path, preset: str) -> None:
    """Stop where published weights meet audio of another rate.

    Raises:
        CheckpointError: if the file's classes or its recorded rate belong to another preset.
    """
    expected = PRESETS[preset]
    recorded = load_metadata(checkpoint).get("sample_rate")
    classes = network.head.get_submodule(network.head.names[0]).out_features
    others = [name for name, p in PRESETS.items() if p.checkpoint_classes == classes]
    if recorded and int(recorded) != expected.sample_rate:
        raise CheckpointError(
            f"{checkpoint}: trained on audio at {recorded} Hz, but preset {preset} has "
            f"{expected.sample_rate} Hz; change the preset or the checkpoint"
        )
    if not recorded and others and preset not in others:
        raise CheckpointError(
            f"{checkpoint}: its {classes} classes are those of {PRESETS[others[0]].checkpoint}; "
            f"preset {preset} needs {expected.checkpoint}; set preset: {others[0]}"
        )
    if not recorded and not others:
        logger.warning(
            "%s does not say for which sample rate it was trained; %d Hz of preset %s are taken",
            checkpoint,
            expected.sample_rate,
            preset,
        )


def _is_head_weight(name: str) -> bool:
    return name.startswith("head.") and name.endswith(".weight")
