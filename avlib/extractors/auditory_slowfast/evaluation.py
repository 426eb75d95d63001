"""Stage evaluate_asf: Auditory SlowFast as a classifier of labelled audio, with 1 and 5 views.

Source: Huh et al., "EPIC-SOUNDS", ICASSP 2023, whose test adds up the probabilities of five views.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.errors import CheckpointError, DataError
from avlib.evaluation.metrics_file import Provenance, origin_notes, weights_entry, write_metrics
from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.recipes import ASF_RECIPES, AsfRecipe
from avlib.extractors.auditory_slowfast.training import check_sample_rate, sound_events
from avlib.extractors.auditory_slowfast.weights import load_network
from avlib.io.metadata import load_metadata
from avlib.io.packs import WaveformStore
from avlib.io.tables import read_table
from avlib.training.event_recognition import TrainingInputs, predict_events, read_classes
from avlib.training.events import events_of_heads

if TYPE_CHECKING:
    import pandas as pd

    from avlib.training.events import LabelledEvents

VIEWS = (1, 5)
SPLITS = ("test", "val")  # of which the first with labelled events is evaluated
TITLE = "Auditory SlowFast"
# The heads that weights may have, and what the metrics of each are called.
HEADS = {
    ("class_id",): ("audio",),
    ("verb_class", "noun_class"): ("verb", "noun"),
    ("action_class",): ("action",),
}
# The recipes of published weights by the classes of their heads.
PUBLISHED = {(44,): "epic_sounds", (309,): "vggsound", (97, 300): "epic_kitchens"}


@dataclass(frozen=True)
class Classifier:
    """A network and what it was trained for.

    Attributes:
        network: in evaluation mode.
        heads: columns with the class numbers, one a classifier.
        recipe: how long its inputs are, and how times become samples.
    """

    network: AuditorySlowFast
    heads: tuple[str, ...]
    recipe: AsfRecipe


def evaluate_asf(
    inputs: TrainingInputs, *, recipe: str | None, device: str, provenance: Provenance, target: Path
) -> None:
    """Write the metrics of a classifier on the test events of a study, or else on those of val.

    Args:
        inputs: the initial weights are those that are evaluated.
        recipe: that the weights are of; None: what the file says, or as published for its classes.
        device: auto, cpu or cuda.
        provenance: how the numbers are made; the network is `asf`.
        target: JSON file to write. Under `metrics` are `views_1` and `views_5`, below each the
            metrics of each head, and of two heads also `verb_noun`: both are right.

    Raises:
        CheckpointError: if the classes of the weights are not those of the study.
        ConfigError: if the audio has another rate than the recipe.
        DataError: if there are no labelled events with audio.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    assert inputs.initial_weights is not None
    classes, origin = read_classes(inputs.classes), provenance.origins["asf"]
    classifier = read_classifier(inputs.initial_weights, classes, recipe)
    names = [classes[head] for head in classifier.heads]
    events = read_table(inputs.events, EVENTS)
    table = events_of_heads(events, classifier.heads, classes, classifier.recipe.name)
    with WaveformStore(inputs.packs, sample_rate=inputs.rate) as waveforms:
        check_sample_rate(waveforms.sample_rate, classifier.recipe)
        split, found = _evaluated(table, waveforms, classifier)
        metrics = {f"views_{n}": _metrics(classifier, found, n, names, device) for n in VIEWS}
    write_metrics(
        target,
        {**provenance.study, "split": split},
        metrics=metrics,
        counts={"events_evaluated": len(found), "events_without_audio": found.n_left_out},
        models={"asf": weights_entry(inputs.initial_weights, origin)},
        notes=origin_notes({"asf": origin}, {"asf": TITLE}).values(),
        inputs={"events": inputs.events, "classes": inputs.classes, **provenance.inputs},
    )


def read_classifier(
    checkpoint: Path, classes: Mapping[str, Sequence[str]], recipe: str | None
) -> Classifier:
    """Return the network of a checkpoint with the heads that a study has classes for.

    Args:
        checkpoint: published weights, or from `train_asf`, which say their classes and recipe.
        classes: names of the classes of the study, by column.
        recipe: that the weights are of, if it is known.

    Raises:
        CheckpointError: if the classes are others, or the file has no classifier.
    """
    network, known = load_network(checkpoint), load_metadata(checkpoint)
    layers = (network.head.get_submodule(name) for name in network.head.names)
    counts = tuple(layer.out_features for layer in layers if isinstance(layer, nn.Linear))
    if "classes" in known:
        own = json.loads(known["classes"])
        fitting = [tuple(own)] if all(classes.get(h) == own[h] for h in own) else []
    else:
        fitting = [h for h in HEADS if tuple(len(classes.get(c, ())) for c in h) == counts]
    if not fitting or fitting[0] not in HEADS:
        have = ", ".join(f"{len(names)} of {column}" for column, names in classes.items())
        raise CheckpointError(
            f"{checkpoint}: its classes ({' and '.join(map(str, counts))}) are not those of the "
            f"study, which has {have}; evaluate weights that are trained on them"
        )
    name = recipe or known.get("recipe") or PUBLISHED.get(counts, "small")
    if name not in ASF_RECIPES:
        raise CheckpointError(f"{checkpoint}: its recipe {name!r} is not known; train it again")
    return Classifier(network.eval(), fitting[0], ASF_RECIPES[name])


def _evaluated(
    table: "pd.DataFrame", waveforms: WaveformStore, classifier: Classifier
) -> tuple[str, "LabelledEvents"]:
    """Return the split that is evaluated, and its events with audio."""
    for split in SPLITS:
        rows = table[table["split"] == split]
        events = sound_events(rows, waveforms, classifier.recipe, classifier.heads)
        if len(events):
            return split, events
    raise DataError(
        f"no event of split {' or '.join(SPLITS)} has a label in {', '.join(classifier.heads)} and "
        "audio; there is nothing to evaluate"
    )


def _metrics(
    classifier: Classifier,
    events: "LabelledEvents",
    views: int,
    names: Sequence[Sequence[str]],
    device: str,
) -> dict[str, Any]:
    """Return the metrics of every head, by its title."""
    probs = predict_events(
        classifier.network.to(resolve_device(device)),
        events,
        views=views,
        batch_size=classifier.recipe.batch_size,
        check=lambda: None,
    )
    titles = HEADS[classifier.heads]
    found = {
        title: _of_head(p, events.labels[:, i], names[i])
        for i, (title, p) in enumerate(zip(titles, probs, strict=True))
    }
    if len(titles) > 1:
        right = [p.argmax(axis=1) == events.labels[:, i] for i, p in enumerate(probs)]
        found["_".join(titles)] = {"top1": float(np.all(right, axis=0).mean())}
    return found


def _of_head(
    probs: NDArray[np.float64], labels: NDArray[np.int64], names: Sequence[str]
) -> dict[str, Any]:
    found = recognition_metrics(probs, labels)
    by_class = found.pop("per_class")
    return found | {
        "per_class": {
            name: dict(zip(names, values, strict=True)) for name, values in by_class.items()
        }
    }
