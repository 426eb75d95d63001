"""Part of stage check_weights: whether given weights of a soundtrack network fit the classes."""

from pathlib import Path

from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash
from avlib.soundtracks.scores import load_soundtrack_network


def check_weights(checkpoint: Path, target: Path, *, classes: Path | None = None) -> None:
    """Write what a checkpoint is, if it is of a soundtrack network with these classes.

    Args:
        checkpoint: weights under the published names.
        target: JSON file to write.
        classes: JSON with the names of the classes, as `class_id`; None: not known yet.

    Raises:
        CheckpointError: if it cannot be read, or does not fit.
    """
    network = load_soundtrack_network(checkpoint)
    num_classes = network.get_parameter(f"{network.classifier_name}bias").numel()
    if classes is not None:
        check_classifier(checkpoint, num_classes, read_classes(classes))
    content = {"network": type(network).__name__, "num_classes": num_classes}
    write_json(target, content | {"sha256": file_hash(checkpoint)})
