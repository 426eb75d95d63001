"""Weights files of the soundtrack networks: reading, and checking given ones."""

from pathlib import Path
from typing import Any, NamedTuple, get_args

from avlib.errors import CheckpointError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.atomic import write_json
from avlib.io.checkpoints import StoredWeights, fit_state_dict, read_weights
from avlib.io.hashes import weights_hash
from avlib.io.metadata import load_metadata
from avlib.io.weights import lost_settings
from avlib.soundtracks.network import (
    STEM_STRIDES,
    SoundtrackNetwork,
    infer_network,
    is_published,
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
        pool: as in `ResNet`; None takes that of the file's settings, else the published one.

    Raises:
        CheckpointError: if the file cannot be read, is of no such network, or of one of our own
            without its settings.
    """
    stored = read_weights(checkpoint)
    state = stored.state
    try:
        options = _options(stored, checkpoint)
        if pool is not None:
            options["pool"] = pool
        network = infer_network(state, **options)
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{checkpoint}: no soundtrack network, it lacks {error}") from error
    fit_state_dict(network, state, checkpoint, names=published_name)
    return network.eval()


def _options(stored: StoredWeights, source: Path) -> dict[str, Any]:
    """Return the options of a residual network, which its tensors do not tell."""
    settings = stored.settings
    if "pool" in settings and "stem_stride" in settings:
        options = {"pool": settings["pool"], "stem_stride": int(settings["stem_stride"])}
        if options["pool"] not in get_args(Pool) or options["stem_stride"] not in STEM_STRIDES:
            raise CheckpointError(f"{source}: its settings are of no network here: {options}")
        return options
    if is_published(stored.state):
        return {}
    raise lost_settings(source, "how its maps are pooled, `pool` and `stem_stride`,")


def load_windows(checkpoint: Path) -> Windows:
    """Return which windows are scored with a checkpoint, by the recipe in its settings.

    Raises:
        CheckpointError: as `load_soundtrack_network`.
    """
    settings = load_metadata(checkpoint)
    return Windows(*(settings.get(name) == "True" for name in Windows._fields))


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
    write_json(target, content | {"sha256": weights_hash(checkpoint)})
