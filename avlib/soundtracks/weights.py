"""Weights files of the soundtrack networks: reading, and checking given ones."""

from pathlib import Path
from typing import NamedTuple

from avlib.errors import CheckpointError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, fit_state_dict, load_metadata, load_state_dict
from avlib.soundtracks.network import (
    SoundtrackNetwork,
    infer_network,
    metadata_options,
    published_name,
)
from avlib.soundtracks.network_choice import Pool


class Windows(NamedTuple):
    """Which windows of a soundtrack are scored, as `window_starts`; by default as published."""

    drops_silence: bool = False
    half_steps: bool = False


def load_soundtrack_network(checkpoint: Path, *, pool: Pool | None = None) -> SoundtrackNetwork:
    """Return the network of a checkpoint with its weights, in evaluation mode.

    Args:
        checkpoint: weights under the published names, of any of the networks and sizes.
        pool: as in `ResNet`; None takes that of the file's metadata, else the published one.

    Raises:
        CheckpointError: if the file cannot be read, or is of no such network.
    """
    state, options = load_state_dict(checkpoint), metadata_options(load_metadata(checkpoint))
    if pool is not None:
        options["pool"] = pool
    try:
        network = infer_network(state, **options)
    except KeyError as error:
        raise CheckpointError(f"{checkpoint}: no soundtrack network, it lacks {error}") from error
    fit_state_dict(network, state, checkpoint, names=published_name)
    return network.eval()


def load_windows(checkpoint: Path) -> Windows:
    """Return which windows are scored with a checkpoint, by the recipe in its metadata."""
    metadata = load_metadata(checkpoint)
    return Windows(*(metadata.get(name) == "True" for name in Windows._fields))


def number_of_classes(network: SoundtrackNetwork) -> int:
    """Return the number of classes of a network's classifier."""
    return network.get_parameter(f"{network.classifier_name}bias").numel()


def check_weights(checkpoint: Path, target: Path, *, classes: Path | None = None) -> None:
    """Write what a checkpoint is, if it is of a soundtrack network with these classes.

    Args:
        checkpoint: weights under the published names.
        target: JSON file to write: `network`, `num_classes` and `sha256`.
        classes: JSON with the names of the classes, as `class_id`; None: not known yet.

    Raises:
        CheckpointError: if it cannot be read, or does not fit.
    """
    network = load_soundtrack_network(checkpoint)
    num_classes = number_of_classes(network)
    if classes is not None:
        check_classifier(checkpoint, num_classes, read_classes(classes))
    content = {"network": type(network).__name__, "num_classes": num_classes}
    write_json(target, content | {"sha256": file_hash(checkpoint)})
