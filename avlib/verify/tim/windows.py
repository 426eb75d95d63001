"""Operations on the windows of a split, and on a network's predictions of its queries."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from avlib.datasets.timed_tables import read_durations
from avlib.extractors.intervals import read_published_intervals
from avlib.io.pickles import read_array_dict
from avlib.tim.batches import PADDING, WindowDataset
from avlib.tim.inference import Predictions, predict
from avlib.tim.network import TIM
from avlib.tim.published_predictions import IDS, PublishedPredictions, write_predictions
from avlib.tim.queries import join_queries, read_published_queries
from avlib.tim.recipes import TimRecipe
from avlib.tim.splits import SplitWindows
from avlib.tim.tables import VISUAL_HEADS
from avlib.tim.windows import DECIMALS, WindowIndex, build_windows
from avlib.verify.cases import CaseError
from avlib.verify.operations import Array, Results, Weights, operation
from avlib.verify.tim.networks import network
from avlib.verify.tim.scores import percent

MODALITIES = ("visual", "audio")
Files = Path | None
Features = Mapping[str, Array] | None
Windows = tuple[WindowDataset, pd.DataFrame]
Split = AbstractContextManager[Windows]


def cut(
    *, num_feats: int, feat_stride: int, feat_gap: float, window_stride: float = 1.0
) -> TimRecipe:
    """Return how videos are cut into windows."""
    return TimRecipe(
        name="case",
        num_feats=num_feats,
        feat_stride=feat_stride,
        feat_gap_s=feat_gap,
        window_stride_s=window_stride,
    )


@contextmanager
def split_windows(
    recipe: TimRecipe,
    /,
    intervals: Path,
    durations: Path,
    visual_queries: Files = None,
    audio_queries: Files = None,
    visual_features: Features = None,
    audio_features: Features = None,
) -> Iterator[Windows]:
    """Yield the windows of a split and its queries, with features on disk until the context ends.

    Queries are tables of TIM's own form, of one label space or of both; features are arrays
    (rows, views, ...) by video.
    """
    given = {"visual": visual_queries, "audio": audio_queries}
    tables = [read_published_queries(p, "val", m) for m, p in given.items() if p is not None]
    queries, rows = join_queries(tables), read_published_intervals(intervals)
    index = build_windows(queries, rows, read_durations(durations), recipe)
    if visual_features is None and audio_features is None:  # times are asked for all the same
        counts = rows["video_id"].value_counts()
        visual_features = {v: np.zeros((n, 1, 1), np.float32) for v, n in counts.items()}
        audio_features = visual_features
    with tempfile.TemporaryDirectory() as name:
        folders = {
            "visual": _written(Path(name, "visual"), visual_features),
            "audio": _written(Path(name, "audio"), audio_features),
        }
        visual, audio = ([] if folder is None else [folder] for folder in folders.values())
        dataset = WindowDataset(index, queries, rows, visual=visual, audio=audio, recipe=recipe)
        yield dataset, queries


def padded_windows(
    dataset: WindowDataset,
    /,
    *,
    visual_slots: int | None = None,
    audio_slots: int | None = None,
    padding: int = PADDING,
) -> dict[str, Any]:
    """Return times, feature rows, queries and labels of all windows.

    Slots are numbers of queries to pad to, the largest number by default.
    """
    index, slots = dataset.index, (visual_slots, audio_slots)
    batch = dataset.batch(range(len(index)))
    padded = {
        "label_verb": (batch.visual_labels[..., 0], visual_slots),
        "label_noun": (batch.visual_labels[..., 1], visual_slots),
        "label_action": (batch.visual_labels[..., 2], visual_slots),
        "label_class_id": (batch.audio_labels, audio_slots),
        "v_action_ids": (batch.visual_queries, visual_slots),
        "a_action_ids": (batch.audio_queries, audio_slots),
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
        **{name: np.where(x == PADDING, padding, x) for name, x in values.items()},
    }


@operation("tim", "windows", cut=cut, split=split_windows, pad=padded_windows)
def windows(
    cut: Callable[[], TimRecipe],
    split: Callable[[TimRecipe], Split],
    pad: Callable[[WindowDataset], dict[str, Any]],
    visual_features: Features = None,
    audio_features: Features = None,
    *,
    torch_seed: int | None = None,
) -> Results:
    """Return the windows of a split, padded as the original pads them, and counts of them.

    With features, `visual_data/<window>` are those of a window, and `drawn/...` those of the first
    one, of a view for each feature that torch's generator of that seed draws.
    """
    with split(cut()) as (dataset, queries):
        results = pad(dataset)
        if visual_features is not None or audio_features is not None:
            results |= _data(dataset, torch_seed)
    size = {"window_size": cut().window_s}
    return {**results, **_names(dataset.index, queries), **window_counts(dataset.index), **size}


def _written(folder: Path, features: Features) -> Path | None:
    if features is None:
        return None
    folder.mkdir()
    for video_id, array in features.items():
        np.save(folder / f"{video_id}.npy", array)
    return folder


def _filled(values: torch.Tensor, slots: int | None, filling: float) -> Array:
    """Return (B, N, ...) with N of at least `slots`."""
    missing = max((slots or 0) - values.shape[1], 0)
    widths = [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values.numpy(), widths, constant_values=filling)


class _TorchDraws:
    """Views as the original draws them."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def integers(self, low: int, high: int, size: tuple[int, int]) -> Array:
        """Return integers from `low` to below `high`."""
        return torch.randint(low, high, size, generator=self._generator).numpy()


def _data(dataset: WindowDataset, torch_seed: int | None) -> dict[str, Any]:
    """Return the features of every window, and of the first one with views drawn."""
    batches: dict[str, Any] = {f"/{i}": dataset.batch([i]) for i in range(len(dataset))}
    found = {f"{m}_data{i}": getattr(b, m) for i, b in batches.items() for m in MODALITIES}
    if torch_seed is not None:
        drawn = dataset.batch([0], _TorchDraws(torch_seed))
        found |= {f"drawn/{m}_data": getattr(drawn, m) for m in MODALITIES}
    files = {"v_num_aug": dataset.visual, "a_num_aug": dataset.audio}
    arrays = {name: x[0] for name, x in found.items() if x is not None}
    return arrays | {name: of.views for name, of in files.items() if of is not None}


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
        **{f"mean_{m}_per_window": counts[f"{m}_views"] / len(index) for m in MODALITIES},
        "min_query": float(parts.min()),
        "max_query": float(parts.max()),
    }


@operation("tim", "evaluate", build=network, cut=cut, split=split_windows)
def evaluate(
    build: Callable[[], TIM],
    cut: Callable[[], TimRecipe],
    split: Callable[[TimRecipe], Split],
    weights: Weights,
    *,
    batch_size: int,
    label_smoothing: float,
    is_paired: bool,
) -> Results:
    """Return the metrics of a network on a split, and the predictions that it saves.

    It runs in single precision, as in every evaluation. Accuracies are [top-1, top-5] in percent;
    the original has 0 for what there is not.
    """
    model = weights.fill(build()).float()
    with split(cut()) as (dataset, queries):
        visual, audio = (queries[queries["modality"] == m] for m in MODALITIES)
        predictions = predict(
            model,
            SplitWindows(dataset, np.arange(len(dataset)), visual, audio),
            batch_size=batch_size,
            label_smoothing=label_smoothing,
        )
    return _metrics(predictions, is_paired=is_paired) | _saved(predictions)


def _metrics(predictions: Predictions, *, is_paired: bool) -> dict[str, Any]:
    visual, audio = predictions.visual, predictions.audio
    if predictions.split.is_paired != is_paired:
        raise CaseError(f"argument is_paired: the queries say {not is_paired}")
    found = predictions.metrics()
    none = dict.fromkeys(("top1", "top5", "loss"))
    heads = (*VISUAL_HEADS, "verb_noun", "audio", "combined")
    losses = {head: found.get(head, none)["loss"] or 0.0 for head in (*VISUAL_HEADS, "audio")}
    seen = [losses[head] for head in VISUAL_HEADS if head in found]
    return {
        **{f"{head}_acc": percent(found.get(head, none)) for head in heads},
        **{f"visual_{head}_loss": losses[head] for head in VISUAL_HEADS},
        "visual_loss": sum(seen) / max(len(seen), 1),
        "audio_loss": losses["audio"],
        "visual_views": int(visual.counts.sum()),
        "audio_views": int(audio.counts.sum()),
        "actions_seen": int(visual.is_seen.sum() + audio.is_seen.sum()),
    }


def _saved(predictions: Predictions) -> dict[str, Any]:
    """Return the predictions as a file of the published form holds them.

    For a label space that is not used the original has zeros, one row for each query of the
    other; here there are no rows.
    """
    probs = predictions.visual.probs() | predictions.audio.probs()
    split = predictions.split
    ids = [queries["annotation_id"].to_list() for queries in (split.visual, split.audio)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.pkl"
        write_predictions(PublishedPredictions(probs, *ids), path)
        saved = read_array_dict(path)
    return {
        "seen_count": np.concatenate([predictions.visual.counts, predictions.audio.counts]),
        **{name: saved[name].tolist() for name, _ in IDS.values()},
        **{f"extract_{head}": saved[head] for head in probs},
    }
