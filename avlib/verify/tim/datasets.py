"""Golden cases of whole data sets: windows, their content, and the evaluation of a model.

The annotations are the files beside the sidecar, the features are drawn by rule and written as an
extractor would write them.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.extractors.intervals import read_published_intervals
from avlib.tim.batches import PADDING, WindowBatch, WindowDataset
from avlib.tim.inference import Predictions, predict
from avlib.tim.network import TIM
from avlib.tim.published_predictions import (
    PublishedPredictions,
    read_predictions,
    write_predictions,
)
from avlib.tim.queries import join_queries, read_durations, read_published_queries
from avlib.tim.recipes import TimRecipe
from avlib.tim.scores import tim_metrics
from avlib.tim.splits import SplitWindows
from avlib.tim.tables import COLUMNS, VISUAL_HEADS
from avlib.tim.windows import WindowIndex, build_windows
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_input
from avlib.verify.tim.facts import window_facts
from avlib.verify.tim.network import build
from avlib.verify.tim.scores import percent

FILES = {"train": "train", "val": "validation"}  # how the files of a split are called
SMOOTHING = 0.2
SEED = re.compile(r"manual_seed\((\d+)\)")


@dataclass(frozen=True)
class _Study:
    """One of the data sets: its entry in the sidecar, its folder, and where features go."""

    name: str
    content: Mapping[str, Any]
    source: Path
    features: Path
    seed: int

    def arguments(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the original program for a run."""
        widths = {f"{m}_input_dim": self.content[f"{m}_channels"] for m in ("visual", "audio")}
        return {**self.content["arguments"], **widths, **overrides}


def data_sets(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the windows of every split of every data set, their content and the runs."""
    for name, content in case.content["datasets"].items():
        with tempfile.TemporaryDirectory() as folder:
            source = case.path.parent / "synthetic" / name
            study = _Study(name, content, source, Path(folder), case.content["feature_seed"])
            arguments = study.arguments({})
            for split, golden in content["splits"].items():
                dataset, queries = _read(study, split, arguments)
                prefix = f"{name}.{split}."
                yield from _index(prefix, dataset.index, queries, golden, arguments)
                yield from _items(case, prefix, dataset)
                yield from _views(case, prefix, dataset, golden)
            for run, golden in content["runs"].items():
                yield from _run(case, study, run, golden, numerics)


def _read(
    study: _Study, split: str, arguments: Mapping[str, Any]
) -> tuple[WindowDataset, pd.DataFrame]:
    """Return the windows of a split and its queries."""
    tables = {
        modality: study.source / f"{modality}_{FILES[split]}.csv"
        for modality in ("visual", "audio")
    }
    if not tables["audio"].exists():  # segments, which are seen and heard
        tables["audio"] = tables["visual"]
    used = arguments.get("data_modality", "audio_visual")
    parts = [read_published_queries(p, split, m) for m, p in tables.items() if m in used]
    queries = join_queries(parts)
    intervals = read_published_intervals(study.source / f"feature_times_{FILES[split]}.csv")
    recipe = TimRecipe(
        name="case",
        num_feats=arguments["num_feats"],
        feat_stride=arguments["feat_stride"],
        feat_gap_s=arguments["feat_gap"],
        window_stride_s=arguments["window_stride"],
    )
    durations = read_durations(study.source / "video_info.csv")
    index = build_windows(queries, intervals, durations, recipe)
    seen = arguments.get("model_modality", "audio_visual")
    folders = {
        modality: _write_features(study, split, modality, intervals) if modality in seen else None
        for modality in ("visual", "audio")
    }
    return WindowDataset(index, queries, intervals, recipe=recipe, **folders), queries


def _write_features(study: _Study, split: str, modality: str, intervals: pd.DataFrame) -> Path:
    folder = study.features / modality / split
    folder.mkdir(parents=True, exist_ok=True)
    views = study.content[f"{modality}_sets_train"] if split == "train" else 1
    is_grid = modality == "visual" and study.content["arguments"]["apply_feature_pooling"]
    row = (views, *((7, 7) if is_grid else ()), study.content[f"{modality}_channels"])
    for video_id, n_rows in intervals["video_id"].value_counts().items():
        name = f"{study.name}/{modality}/{split}/{video_id}"
        np.save(folder / f"{video_id}.npy", rule_input(name, (n_rows, *row), study.seed))
    return folder


def _index(
    prefix: str,
    index: WindowIndex,
    queries: pd.DataFrame,
    golden: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> Iterator[Comparison]:
    """Compare counts, and the names of the videos and queries of each window."""
    exact, sizes = window_facts(index)
    length = {
        "window_size": arguments["num_feats"] * arguments["feat_gap"] * arguments["feat_stride"]
    }
    names = queries.set_index("query_id")["annotation_id"]
    spans = [slice(*pair) for pair in zip(index.offsets[:-1], index.offsets[1:], strict=True)]
    ids: dict[str, Any] = {"video_ids": index.video_ids[index.video].tolist()}
    for modality, is_chosen in (("visual", index.is_visual), ("audio", ~index.is_visual)):
        chosen = [index.query[span][is_chosen[span]] for span in spans]
        ids[f"{modality}_ids"] = [
            [f"{modality[0]}_{names[q]}" for q in window] for window in chosen
        ]
    for name, value in (exact | sizes | length | ids).items():
        if name in golden:
            yield compare_exactly(prefix + name, value, golden[name])


def _items(case: Case, prefix: str, dataset: WindowDataset) -> Iterator[Comparison]:
    """Compare the arrays of all windows, padded as the original pads them."""
    golden = {k[len(prefix) :]: a for k, a in case.arrays.items() if k.startswith(prefix)}
    index = dataset.index
    batch = dataset.batch(range(len(index)))
    sizes = golden["v_action_ids"].shape[1], golden["a_action_ids"].shape[1]
    labels = [_padded(x, sizes[0], PADDING) for x in batch.visual_labels.unbind(2)]
    results: dict[str, NDArray[Any]] = {
        "window_start": index.start_s,
        "window_stop": index.stop_s,
        "feat_indices": index.rows,
        "label_verb": labels[0],
        "label_noun": labels[1],
        "label_action": labels[2],
        "label_class_id": _padded(batch.audio_labels, sizes[1], PADDING),
        "v_action_ids": _padded(batch.visual_queries, sizes[0], PADDING),
        "a_action_ids": _padded(batch.audio_queries, sizes[1], PADDING),
    }
    for name, result in results.items():
        yield compare_exactly(prefix + name, result.tolist(), golden[name].tolist())
    yield _compared(case, prefix + "times", _padded_times(batch, sizes))
    last = dataset.batch([len(index) - 1])
    for name, value in (
        ("visual_data_window0", dataset.batch([0]).visual),
        ("audio_data_last_window", last.audio),
    ):
        if name in golden:
            assert value is not None
            yield _compared(case, prefix + name, value[0])


def _compared(case: Case, array: str, result: Any) -> Comparison:
    return compare(array, result, case.arrays[array], case.tolerance(array))


def _padded(values: torch.Tensor, size: int, filling: float) -> NDArray[Any]:
    """Return (B, N, ...) with as many slots as the original has; it never has fewer."""
    missing = size - values.shape[1]
    widths = [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values.numpy(), widths, constant_values=filling)


def _padded_times(batch: WindowBatch, sizes: tuple[int, int]) -> NDArray[Any]:
    n_visual, n_audio = batch.visual_queries.shape[1], batch.audio_queries.shape[1]
    n_features = batch.times.shape[1] - n_visual - n_audio
    features, visual, audio = torch.split(batch.times, [n_features, n_visual, n_audio], dim=1)
    padded = [_padded(x, size, 0.0) for x, size in zip((visual, audio), sizes, strict=True)]
    return np.concatenate([features.numpy(), *padded], axis=1)


class _TorchDraws:
    """Views as the original draws them."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def integers(self, low: int, high: int, size: tuple[int, int]) -> NDArray[np.int64]:
        """Return integers from `low` to below `high`."""
        return torch.randint(low, high, size, generator=self._generator).numpy()


def _views(
    case: Case, prefix: str, dataset: WindowDataset, golden: Mapping[str, Any]
) -> Iterator[Comparison]:
    """Compare the number of views, and the features of a window with the views drawn."""
    for modality, files in (("visual", dataset.visual), ("audio", dataset.audio)):
        name = f"{modality[0]}_num_aug"
        if files is not None and name in golden:
            yield compare_exactly(prefix + name, files.views, golden[name])
    words = " ".join(text for k, text in case.content["arrays"].items() if k.startswith("seeded"))
    seed = SEED.search(words)
    names = [f"{prefix}seeded_{modality}_data_window0" for modality in ("visual", "audio")]
    if seed is not None and all(name in case.arrays for name in names):
        batch = dataset.batch([0], _TorchDraws(int(seed[1])))
        for name, features in zip(names, (batch.visual, batch.audio), strict=True):
            assert features is not None
            yield _compared(case, name, features[0])


def _run(
    case: Case, study: _Study, run: str, golden: Mapping[str, Any], numerics: Numerics
) -> Iterator[Comparison]:
    """Compare the metrics of a model on the validation split, and the predictions it saves.

    The model runs in single precision, as it does in every evaluation.
    """
    arguments = study.arguments(golden["overrides"])
    model = build(arguments)
    fill_by_rule(model, study.content["model_seed"])
    model.to(numerics.device)
    dataset, queries = _read(study, "val", arguments)
    visual, audio = (queries[queries["modality"] == m] for m in ("visual", "audio"))
    split = SplitWindows(dataset, np.arange(len(dataset)), visual, audio)
    predictions = predict(model, split, batch_size=golden["batch_size"], label_smoothing=SMOOTHING)
    prefix = f"{study.name}.{run}."
    results = _metrics(predictions, is_paired=study.content["kind"] == "ave")
    for name, value in golden["metrics"].items():
        yield compare(prefix + name, results[name], value, case.tolerance(name))
    yield from _predictions(case, prefix, predictions, model, golden)


def _metrics(predictions: Predictions, *, is_paired: bool) -> dict[str, Any]:
    """Return the metrics under the names of the original, which has 0 for what there is not."""
    columns = [COLUMNS[head] for head in VISUAL_HEADS]
    labels = predictions.split.visual[columns].astype("Int64").to_numpy(np.int64, na_value=PADDING)
    sounds = (
        predictions.split.audio["class_id"].astype("Int64").to_numpy(np.int64, na_value=PADDING)
    )
    metrics = tim_metrics(
        predictions.visual.probs(),
        labels,
        predictions.audio.probs().get("audio"),
        sounds,
        is_paired=is_paired,
    )
    heads = (*VISUAL_HEADS, "verb_noun", "audio", "combined")
    none = dict.fromkeys(("top1", "top5"))
    results: dict[str, Any] = {f"{head}_acc": percent(metrics.get(head, none)) for head in heads}
    losses = {head: loss or 0.0 for head, loss in predictions.losses.means().items()}
    seen = [losses[head] for head in VISUAL_HEADS if head in losses]
    results |= {f"visual_{head}_loss": losses.get(head, 0.0) for head in VISUAL_HEADS}
    results |= {"visual_loss": sum(seen) / max(len(seen), 1), "audio_loss": losses.get("audio", 0)}
    for modality, scores in (("visual", predictions.visual), ("audio", predictions.audio)):
        results[f"{modality}_views"] = int(scores.counts.sum())
    is_seen = np.concatenate([predictions.visual.is_seen, predictions.audio.is_seen])
    return results | {"actions_seen": int(is_seen.sum())}


def _predictions(
    case: Case, prefix: str, predictions: Predictions, model: TIM, golden: Mapping[str, Any]
) -> Iterator[Comparison]:
    """Compare the predictions as they are read back from a file of the published form.

    For a label space that is not used the original has zeros, one row for each query of the
    other; here there are no rows.
    """
    counts = np.concatenate([predictions.visual.counts, predictions.audio.counts])
    yield _compared(case, prefix + "seen_count", counts)
    probs = predictions.visual.probs() | predictions.audio.probs()
    ids = [
        q["annotation_id"].to_list() for q in (predictions.split.visual, predictions.split.audio)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.pkl"
        write_predictions(PublishedPredictions(probs, *ids), path)
        saved = read_predictions(path)
    found_ids: Sequence[tuple[str, Sequence[str]]] = (
        ("v_narration_ids", [f"v_{name}" for name in saved.visual_ids]),
        ("a_narration_ids", [f"a_{name}" for name in saved.audio_ids]),
    )
    for name, found in found_ids:
        yield compare_exactly(prefix + name, found, golden[name])
    for head in (*VISUAL_HEADS, "audio"):
        array = f"{prefix}extract_{head}"
        if array in case.arrays and golden[f"{'a' if head == 'audio' else 'v'}_narration_ids"]:
            yield _compared(case, array, saved.probs[head])
