"""Operations of MiniLM, and of what finds seconds by words: weights of classes, scores, events."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy.special import expit, softmax

from avlib.extractors.efficientnet_lite import images
from avlib.extractors.minilm.texts import SentenceEncoder
from avlib.extractors.yamnet.classes import FILE_NAME, read_class_map
from avlib.tagging import events, scores
from avlib.tagging.words import ClassWeights, class_weights
from avlib.verify.cases import CaseError, Package
from avlib.verify.operations import Array, Results, operation


def encoder(weights: Package) -> SentenceEncoder:
    """Return MiniLM with the files of the package."""
    return SentenceEncoder(weights.files["model.safetensors"].parent)


@operation("minilm", "tokens")
def tokens(texts: list[str], weights: Package) -> Results:
    """Return the tokens of texts, without padding."""
    return {"input_ids": encoder(weights).tokens(texts)}


@operation("minilm", "embed")
def embed(texts: list[str], weights: Package) -> Results:
    """Return the unit vectors of texts, (N, 384)."""
    return {"embedding": encoder(weights).embed(texts)}


@operation("text_tags", "text_class_weights")
def text_class_weights(
    texts: list[str],
    weights: Package,
    class_map: Package | None = None,
    *,
    vocabulary: Literal["audioset", "imagenet"],
    top: int,
    temperature: float,
) -> Results:
    """Return what texts mean in a vocabulary."""
    if vocabulary == "imagenet":
        names = images.classes()
    elif class_map is None:
        raise CaseError("the vocabulary of AudioSet needs the input 'class_map'")
    else:
        names = read_class_map(class_map.files[FILE_NAME]).names
    model = encoder(weights)
    return _listed(class_weights(model.embed(texts) @ model.embed(names).T, top, temperature))


@operation("text_tags", "class_weights")
def weights_of_similarity(similarity: Array, *, top: int, temperature: float) -> Results:
    """Return the classes nearest to texts, and their weights."""
    return _listed(class_weights(similarity, top, temperature))


def _listed(found: ClassWeights) -> Results:
    return {**found._asdict(), "classes": found.classes.tolist()}


@operation("text_tags", "query_scores")
def query_scores(
    logits: Array,
    classes: list[list[int]],
    class_weights: Array,
    *,
    activation: Literal["sigmoid", "softmax"],
    floor: float,
) -> Results:
    """Return the scores of queries, (Q, T), from logits of seconds (T, K)."""
    x = logits.astype(np.float64)
    probabilities = expit(x) if activation == "sigmoid" else softmax(x, axis=1)
    logs = scores.logarithms(probabilities, floor)
    return {"scores": scores.query_scores(logs, np.array(classes), class_weights)}


@operation("text_tags", "fuse")
def fuse(
    sound: Mapping[str, Array],
    picture: Mapping[str, Array],
    sound_reliability: list[float],
    picture_reliability: list[float],
    *,
    scale: float,
    bias: float,
    best_seconds: int,
    video_share: float,
) -> Results:
    """Return the weight of sound, and of each video the fused scores, its own, and those of tags.

    The scores of both legs, (Q, T) a video, are standardised over all videos.
    """
    weight = scores.sound_weights(sound_reliability, picture_reliability, scale, bias)
    statistics = [scores.MeanDeviation.of(leg.values(), len(weight)) for leg in (sound, picture)]
    results = {"sound_weight": weight}
    for video in sound:
        z_sound = statistics[0].standardised(sound[video])
        fused = scores.fuse(z_sound, statistics[1].standardised(picture[video]), weight)
        results[f"fused/{video}"] = fused
        results[f"video/{video}"] = scores.video_scores(fused, best_seconds)
        results[f"tag/{video}"] = scores.tag_scores(fused, best_seconds, video_share)
    return results


@operation("text_tags", "events")
def find_events(
    scores: list[list[float]], *, onset: float, offset: float, gap: int, minimum: int
) -> Results:
    """Return the events of each sequence of scores, as seconds [start, stop)."""
    found = [events.find_events(sequence, onset, offset, gap, minimum) for sequence in scores]
    return {"events": [[list(event) for event in one] for one in found]}
