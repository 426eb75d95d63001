"""Predictions of a study's models for the features of new files: events by file and track."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from avlib.datasets.ave import BACKGROUND
from avlib.io.tables import read_table, write_table
from avlib.predict.description import Description, TrainedStudy
from avlib.predict.events import (
    Spans,
    choose_spans,
    join_seconds,
    query_spans,
    second_spans,
)
from avlib.predict.features import Batch
from avlib.predict.inputs import SPLIT
from avlib.predict.tables import Event, Tracks
from avlib.tim.ensemble import read_ensemble
from avlib.tim.plan import make_windows
from avlib.tim.prediction import COMBINED, ORDER, PredictionFiles, predict_tim
from avlib.tim.queries import join_queries, queries_of_events
from avlib.tim.recipes import MODELS, Modality, ModelName
from avlib.tim.tables import PREDICTIONS, QUERIES, VIDEOS, read_head_classes

SCORES_AT_ONCE = 1 << 23  # in memory; a long recording has its queries in parts
SPACES: Mapping[Modality, tuple[str, str]] = {  # track and head of each label space
    "visual": ("actions", "action"),
    "audio": ("sounds", "audio"),
}
JOINT: Modality = "audio_visual"
_KEPT = ["video_id", "start_s", "stop_s", "predicted_class"]  # columns of PREDICTIONS


class Source(NamedTuple):
    """What the events of a track come from.

    Attributes:
        model: name of the model.
        head: that predicts their classes.
    """

    model: ModelName
    head: str


Sources = dict[str, Source]  # by track


def features_of(model: ModelName) -> set[Modality]:
    """Return the modalities of the features that a model takes."""
    taken = MODELS[model][0]
    return {"visual", "audio"} if taken == JOINT else {taken}


def sources(description: Description, available: set[Modality]) -> Sources:
    """Return the models that label a file, by track; none if no model can.

    Of the models that a file has the features for, one that takes both modalities comes first.

    Args:
        description: of the study.
        available: modalities that the file has.
    """
    models = [m for m in ORDER if m in description.models and features_of(m) <= available]
    models.sort(key=lambda model: -len(features_of(model)))  # stable
    if description.is_paired:
        heads = {JOINT: COMBINED} | {space: head for space, (_, head) in SPACES.items()}
        return {"events": Source(models[0], heads[MODELS[models[0]][1]])} if models else {}
    found: Sources = {}
    for space, (track, head) in SPACES.items():
        fitting = [m for m in models if MODELS[m][1] in (JOINT, space)]
        if fitting and description.query_lengths_s[space]:
            found[track] = Source(fitting[0], head)
    return found


@dataclass(frozen=True)
class Predictor:
    """Predicts the events of the files of a batch by the models of a study.

    Attributes:
        batch: has the features.
        threshold: what the score of a query must exceed, where seconds have no predictions.
    """

    batch: Batch
    threshold: float

    @property
    def _study(self) -> TrainedStudy:
        return self.batch.study

    def events(self, lengths_s: Mapping[str, float], chosen: Sources) -> dict[str, Tracks]:
        """Return the events of files that the same models label.

        Args:
            lengths_s: length of each file in seconds.
            chosen: the models.
        """
        found = self.scores(lengths_s, chosen)
        names = read_head_classes(self._study.classes)
        return {
            video_id: {
                track: self._events_of(
                    found[(found["video_id"] == video_id) & (found["track"] == track)],
                    names["action" if source.head == COMBINED else source.head],
                )
                for track, source in chosen.items()
            }
            for video_id in lengths_s
        }

    def scores(self, lengths_s: Mapping[str, float], chosen: Sources) -> pd.DataFrame:
        """Return the most probable class of each query, and its probability as `score`, by track.

        Args:
            lengths_s: length of each file in seconds.
            chosen: the models.
        """
        spans = self._all_spans(lengths_s, chosen)
        n_scores = sum(map(len, read_head_classes(self._study.classes).values()))
        size = max(1, SCORES_AT_ONCE // n_scores)
        parts = [spans.iloc[first : first + size] for first in range(0, len(spans), size)]
        return pd.concat([self._predict(part, lengths_s, chosen) for part in parts])

    def _all_spans(self, lengths_s: Mapping[str, float], chosen: Sources) -> pd.DataFrame:
        """Return the spans of all files: video_id, start_s, stop_s, and label space or both."""
        parts = []
        for video_id, length_s in lengths_s.items():
            for space, own in self._spans(length_s, chosen):
                part = pd.DataFrame(own, columns=["start_s", "stop_s"])
                parts.append(part.assign(video_id=video_id, space=space))
        return pd.concat(parts, ignore_index=True)

    def _spans(self, length_s: float, chosen: Sources) -> Iterator[tuple[str, Spans]]:
        """Yield the spans of a file of each label space, or of both at once."""
        description = self._study.description
        if description.is_by_the_second:
            yield JOINT, second_spans(length_s)
        elif description.is_paired:
            yield JOINT, query_spans(length_s, description.query_lengths_s["visual"])
        else:
            for space, (track, _) in SPACES.items():
                if track in chosen:
                    yield space, query_spans(length_s, description.query_lengths_s[space])

    def _predict(
        self, spans: pd.DataFrame, lengths_s: Mapping[str, float], chosen: Sources
    ) -> pd.DataFrame:
        """Return the class of each span with its score, by track."""
        files = self._files(spans, lengths_s, chosen)
        description = self._study.description
        predict_tim(
            files,
            recipe=description.recipe,
            split=SPLIT,
            device=description.device,
            mixed_precision=description.mixed_precision,
        )
        rows = read_table(files.table, PREDICTIONS)
        parts = []
        for track, (model, head) in chosen.items():
            part = rows[(rows["modality"] == model) & (rows["head"] == head)]
            score = [p[k] for p, k in zip(part["probs"], part["predicted_class"], strict=True)]
            parts.append(part[_KEPT].assign(track=track, score=score))
        return pd.concat(parts)

    def _files(
        self, spans: pd.DataFrame, lengths_s: Mapping[str, float], chosen: Sources
    ) -> PredictionFiles:
        """Write the queries and the windows of some spans; return what is predicted from."""
        batch, folder = self.batch, self.batch.folder
        description = self._study.description
        taken = set[Modality]().union(*(features_of(source.model) for source in chosen.values()))
        names = {m: description.extractors[m] if m in taken else [] for m in SPACES}
        queries, windows = self._write_queries(spans), folder / "windows.npz"
        make_windows(
            queries=queries,
            videos=self._write_videos(spans, lengths_s),
            intervals=batch.intervals,
            indices=[batch.index(name) for used in names.values() for name in used],
            split=SPLIT,
            recipe=description.recipe,
            target=windows,
        )
        models = {source.model for source in chosen.values()}
        ensemble = self._study.ensemble if JOINT in models else None
        if ensemble is not None:
            models |= read_ensemble(ensemble).weights.keys()
        return PredictionFiles(
            queries=queries,
            windows={SPLIT: windows},
            intervals={SPLIT: batch.intervals},
            visual=[batch.features(name) for name in names["visual"]],
            audio=[batch.features(name) for name in names["audio"]],
            classes=self._study.classes,
            allow_fewer_views=description.allow_fewer_views,
            models={name: self._study.model(name) for name in models},
            table=folder / "predictions.parquet",
            published=None,
            ensemble=ensemble,
        )

    def _write_queries(self, spans: pd.DataFrame) -> Path:
        """Write the spans as queries of their label spaces; return the table of kind QUERIES."""
        events = spans.assign(event_id=[str(k) for k in spans.index], split=SPLIT)
        parts = [
            queries_of_events(events[events["space"].isin([space, JOINT])], space)
            for space in SPACES
        ]
        target = self.batch.folder / "queries.parquet"
        write_table(join_queries(parts), target, QUERIES)
        return target

    def _write_videos(self, spans: pd.DataFrame, lengths_s: Mapping[str, float]) -> Path:
        """Write the files that the spans are of; return the table of kind VIDEOS."""
        ids = list(dict.fromkeys(spans["video_id"]))
        lengths = [self._length_s(lengths_s[video_id]) for video_id in ids]
        videos = pd.DataFrame({"video_id": ids, "split": SPLIT, "duration_s": lengths})
        target = self.batch.folder / "videos.parquet"
        write_table(videos, target, VIDEOS)
        return target

    def _length_s(self, length_s: float) -> float:
        """Return the length by which windows are laid; whole seconds where queries are seconds."""
        if not self._study.description.is_by_the_second:
            return length_s
        return float(second_spans(length_s)[-1, 1])

    def _events_of(self, rows: pd.DataFrame, names: Sequence[str]) -> list[Event]:
        """Return the events of a track of a file, from the predictions of its spans."""
        rows = rows.sort_values(["start_s", "stop_s"], kind="stable")
        spans = rows[["start_s", "stop_s"]].to_numpy(np.float64)
        classes, scores = (rows[c].to_numpy() for c in ("predicted_class", "score"))
        if self._study.description.is_by_the_second:
            return join_seconds(spans, classes, scores, names, BACKGROUND)
        return choose_spans(spans, classes, scores, names, self.threshold)
