"""Operations on the windows of a split, and on a network's predictions of its queries."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.extractors.intervals import read_published_intervals
from avlib.tim.batches import PADDING, WindowDataset
from avlib.tim.inference import Predictions, predict
from avlib.tim.published_predictions import (
    PublishedPredictions,
    read_predictions,
    write_predictions,
)
from avlib.tim.queries import join_queries, read_durations, read_published_queries
from avlib.tim.recipes import TimRecipe
from avlib.tim.scores import tim_metrics
from avlib.tim.splits import SplitWindows
from avlib.tim.tables import LABEL_COLUMNS, VISUAL_HEADS
from avlib.tim.windows import DECIMALS, WindowIndex, build_windows
from avlib.verify.operations import Arguments, Inputs, Results, operation
from avlib.verify.tim.networks import NetworkSizes
from avlib.verify.tim.scores import percent

MODALITIES = ("visual", "audio")


class CutArguments(Arguments):
    """How videos are cut into windows, under the original's names."""

    num_feats: int
    feat_stride: int
    feat_gap: float
    window_stride: float = 1.0

    def recipe(self) -> TimRecipe:
        """Return the settings as the library has them."""
        return TimRecipe(
            name="case",
            num_feats=self.num_feats,
            feat_stride=self.feat_stride,
            feat_gap_s=self.feat_gap,
            window_stride_s=self.window_stride,
        )


class WindowArguments(CutArguments):
    """How windows are cut and shown.

    Attributes:
        visual_slots, audio_slots: numbers of queries that windows are padded to; null for the
            largest number that there is.
        padding: label and query of a slot without one.
        torch_seed: of torch's generator that draws a view for each feature of the first window,
            for the results `drawn/...`; null for none.
    """

    visual_slots: int | None = None
    audio_slots: int | None = None
    padding: int = PADDING
    torch_seed: int | None = None


@operation("tim", "windows")
def windows(arguments: WindowArguments, inputs: Inputs) -> Results:
    """Return the windows of a split, padded as the original pads them, and counts of them.

    Queries are tables of TIM's own form, of one label space or of both. With features, arrays
    (rows, views, ...) by video, `visual_data/<window>` are those of a window.
    """
    with tempfile.TemporaryDirectory() as folder:
        dataset, queries = _dataset(arguments.recipe(), inputs, Path(folder))
        results = _padded(dataset, arguments)
        if any(f"{modality}_features" in inputs for modality in MODALITIES):
            results |= _data(dataset, arguments.torch_seed)
    results |= _names(dataset.index, queries)
    return results | window_counts(dataset.index) | {"window_size": arguments.recipe().window_s}


def _dataset(recipe: TimRecipe, inputs: Inputs, folder: Path) -> tuple[WindowDataset, pd.DataFrame]:
    """Return the windows of a split and its queries."""
    paths = {m: inputs[f"{m}_queries"] for m in MODALITIES if f"{m}_queries" in inputs}
    queries = join_queries([read_published_queries(p, "val", m) for m, p in paths.items()])
    intervals = read_published_intervals(inputs["intervals"])
    index = build_windows(queries, intervals, read_durations(inputs["durations"]), recipe)
    names = [f"{m}_features" for m in MODALITIES]
    given = {name: inputs[name] for name in names if name in inputs}
    if not given:  # times are asked for all the same, of both modalities
        counts = intervals["video_id"].value_counts()
        given = {
            name: {v: np.zeros((n, 1, 1), np.float32) for v, n in counts.items()} for name in names
        }
    folders = {name: _written(folder / name, arrays) for name, arrays in given.items()}
    visual, audio = map(folders.get, names)
    dataset = WindowDataset(index, queries, intervals, visual=visual, audio=audio, recipe=recipe)
    return dataset, queries


def _written(folder: Path, features: Mapping[str, NDArray[Any]]) -> Path:
    folder.mkdir()
    for video_id, array in features.items():
        np.save(folder / f"{video_id}.npy", array)
    return folder


def _padded(dataset: WindowDataset, arguments: WindowArguments) -> dict[str, Any]:
    """Return times, feature rows, queries and labels of all windows."""
    index = dataset.index
    batch = dataset.batch(range(len(index)))
    slots = (arguments.visual_slots, arguments.audio_slots)
    padded = {
        "label_verb": (batch.visual_labels[..., 0], slots[0]),
        "label_noun": (batch.visual_labels[..., 1], slots[0]),
        "label_action": (batch.visual_labels[..., 2], slots[0]),
        "label_class_id": (batch.audio_labels, slots[1]),
        "v_action_ids": (batch.visual_queries, slots[0]),
        "a_action_ids": (batch.audio_queries, slots[1]),
    }
    sizes = [batch.visual_queries.shape[1], batch.audio_queries.shape[1]]
    n_features = batch.times.shape[1] - sum(sizes)
    features, *of_queries = torch.split(batch.times, [n_features, *sizes], dim=1)
    times = [_filled(x, n, 0.0) for x, n in zip(of_queries, slots, strict=True)]
    values = {name: _filled(x, n, PADDING) for name, (x, n) in padded.items()}
    return {
        "window_start": index.start_s,
        "window_stop": index.stop_s,
        "feat_indices": index.rows,
        "times": np.concatenate([features.numpy(), *times], axis=1),
        **{name: np.where(x == PADDING, arguments.padding, x) for name, x in values.items()},
    }


def _filled(values: torch.Tensor, slots: int | None, filling: float) -> NDArray[Any]:
    """Return (B, N, ...) with N of at least `slots`."""
    missing = max((slots or 0) - values.shape[1], 0)
    widths = [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values.numpy(), widths, constant_values=filling)


class _TorchDraws:
    """Views as the original draws them."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def integers(self, low: int, high: int, size: tuple[int, int]) -> NDArray[np.int64]:
        """Return integers from `low` to below `high`."""
        return torch.randint(low, high, size, generator=self._generator).numpy()


def _data(dataset: WindowDataset, torch_seed: int | None) -> dict[str, Any]:
    """Return the features of every window, and of the first one with views drawn."""
    results: dict[str, Any] = {}
    for window in range(len(dataset)):
        batch = dataset.batch([window])
        results |= {f"visual_data/{window}": batch.visual, f"audio_data/{window}": batch.audio}
    if torch_seed is not None:
        drawn = dataset.batch([0], _TorchDraws(torch_seed))
        results |= {"drawn/visual_data": drawn.visual, "drawn/audio_data": drawn.audio}
    views = {"v_num_aug": dataset.visual, "a_num_aug": dataset.audio}
    arrays = {name: x[0] for name, x in results.items() if x is not None}
    return arrays | {name: files.views for name, files in views.items() if files is not None}


def _names(index: WindowIndex, queries: pd.DataFrame) -> dict[str, Any]:
    """Return the names of the videos and queries of each window."""
    names = queries.set_index("query_id")["annotation_id"]
    spans = [slice(*pair) for pair in zip(index.offsets[:-1], index.offsets[1:], strict=True)]
    results: dict[str, Any] = {"video_ids": index.video_ids[index.video].tolist()}
    for modality, is_chosen in (("visual", index.is_visual), ("audio", ~index.is_visual)):
        chosen = [index.query[span][is_chosen[span]] for span in spans]
        results[f"{modality}_ids"] = [
            [f"{modality[0]}_{names[q]}" for q in window] for window in chosen
        ]
    return results


def window_counts(index: WindowIndex) -> dict[str, Any]:
    """Return what the originals print of windows: counts, sizes and means."""
    counts = index.counts()
    parts = np.round(index.query_stop_s - index.query_start_s, DECIMALS)
    largest = {m: counts[f"largest_{m}_queries"] for m in MODALITIES}
    return {
        **{name: counts[name] for name in ("windows", "queries", "visual_views", "audio_views")},
        "num_actions": counts["queries"],
        **{f"max_{m}_true": n for m, n in largest.items()},
        **{f"true_max_{m}": n for m, n in largest.items()},
        "avg_queries_per_window": round(len(index.query) / len(index)),
        "mean_visual_per_window": counts["visual_views"] / len(index),
        "mean_audio_per_window": counts["audio_views"] / len(index),
        "min_query": float(parts.min()),
        "max_query": float(parts.max()),
    }


class EvaluationArguments(NetworkSizes, CutArguments):
    """Network, windows and losses of an evaluation."""

    batch_size: int
    label_smoothing: float
    is_paired: bool


@operation("tim", "evaluate")
def evaluate(arguments: EvaluationArguments, inputs: Inputs) -> Results:
    """Return the metrics of a network on a split, and the predictions that it saves.

    It runs in single precision, as in every evaluation. Accuracies are [top-1, top-5] in percent;
    the original has 0 for what there is not.
    """
    model = inputs.filled(arguments.build()).float()
    with tempfile.TemporaryDirectory() as folder:
        dataset, queries = _dataset(arguments.recipe(), inputs, Path(folder))
        visual, audio = (queries[queries["modality"] == m] for m in MODALITIES)
        predictions = predict(
            model,
            SplitWindows(dataset, np.arange(len(dataset)), visual, audio),
            batch_size=arguments.batch_size,
            label_smoothing=arguments.label_smoothing,
        )
        saved = _saved(predictions, Path(folder) / "predictions.pkl")
    return _metrics(predictions, is_paired=arguments.is_paired) | saved


def _metrics(predictions: Predictions, *, is_paired: bool) -> dict[str, Any]:
    columns = [LABEL_COLUMNS[head] for head in VISUAL_HEADS]
    labels = predictions.split.visual[columns].astype("Int64").to_numpy(np.int64, na_value=PADDING)
    sounds = (
        predictions.split.audio["class_id"].astype("Int64").to_numpy(np.int64, na_value=PADDING)
    )
    shares = tim_metrics(
        predictions.visual.probs(),
        labels,
        predictions.audio.probs().get("audio"),
        sounds,
        is_paired=is_paired,
    )
    none = dict.fromkeys(("top1", "top5"))
    heads = (*VISUAL_HEADS, "verb_noun", "audio", "combined")
    results: dict[str, Any] = {f"{head}_acc": percent(shares.get(head, none)) for head in heads}
    losses = {head: loss or 0.0 for head, loss in predictions.losses.means().items()}
    seen = [losses[head] for head in VISUAL_HEADS if head in losses]
    results |= {f"visual_{head}_loss": losses.get(head, 0.0) for head in VISUAL_HEADS}
    results |= {"visual_loss": sum(seen) / max(len(seen), 1), "audio_loss": losses.get("audio", 0)}
    for modality, scores in (("visual", predictions.visual), ("audio", predictions.audio)):
        results[f"{modality}_views"] = int(scores.counts.sum())
    is_seen = np.concatenate([predictions.visual.is_seen, predictions.audio.is_seen])
    return results | {"actions_seen": int(is_seen.sum())}


def _saved(predictions: Predictions, path: Path) -> dict[str, Any]:
    """Return the predictions as they are read back from a file of the published form.

    For a label space that is not used the original has zeros, one row for each query of the
    other; here there are no rows.
    """
    probs = predictions.visual.probs() | predictions.audio.probs()
    ids = [
        q["annotation_id"].to_list() for q in (predictions.split.visual, predictions.split.audio)
    ]
    write_predictions(PublishedPredictions(probs, *ids), path)
    saved = read_predictions(path)
    return {
        "seen_count": np.concatenate([predictions.visual.counts, predictions.audio.counts]),
        "v_narration_ids": [f"v_{name}" for name in saved.visual_ids],
        "a_narration_ids": [f"a_{name}" for name in saved.audio_ids],
        **{f"extract_{head}": x for head, x in saved.probs.items()},
    }
