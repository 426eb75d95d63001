"""Stage check_soundtrack: whether given weights of a soundtrack network fit the classes."""

from pathlib import Path

from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash
from avlib.soundtracks.scores import load_soundtrack_network


def check_given_soundtrack(path: Path, *, classes: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is of a soundtrack network with these classes.

    Args:
        path: weights under the published names.
        classes: JSON with the names of the classes, as `class_id`.
        target: JSON file to write.

    Raises:
        CheckpointError: if it cannot be read, or does not fit.
    """
    network = load_soundtrack_network(path)
    num_classes = network.get_parameter(f"{network.classifier_name}bias").numel()
    check_classifier(path, num_classes, read_classes(classes))
    content = {"network": type(network).__name__, "num_classes": num_classes}
    write_json(target, content | {"sha256": file_hash(path)})
