"""Evaluation of the 1,200 test videos of LLP: the published program, rebuilt, against avlib.

Workload: the test annotations and corrupted predictions of the golden case `eval_test`, one
thread. The published way is rebuilt here: a video at a time, its annotations filtered from two
tables, every event a mask that is compared with every other of its class. Measured are the metrics
alone, from masks; all that follows the network, from label files and probabilities; and the whole
evaluation of VALOR from features on disk, random ones, with the network at batch 1 and 64.

    .venv/bin/python benchmarks/event_parsing.py
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from event_parsing_training import PublishedNetwork
from measure import ROOT, best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset

from avlib.datasets.llp import CLASSES, SECONDS, dense_labels, read_dense
from avlib.valor.feature_folders import FEATURE_KINDS, FeatureFolder
from avlib.valor.metrics import (
    TABLE,
    Events,
    data_set_scores,
    event_records,
    event_scores,
    find_events,
    segment_scores,
)
from avlib.valor.network import EventParser
from avlib.valor.objective import run_parser
from avlib.valor.recipes import FEATURE_MODALITIES, PARSER_RECIPES
from avlib.valor.videos import ParserVideos
from avlib.valor.weights import network_sizes, new_parser

RECIPE = PARSER_RECIPES["valor"]
KINDS = dict(zip(FEATURE_MODALITIES, (RECIPE.audio, RECIPE.visual, RECIPE.motion), strict=True))
BATCH, DISTINCT, ROUNDS, NETWORK_ROUNDS = 64, 100, 4, 3

Masks = NDArray[np.integer]
Counter = Callable[[Masks, Masks], tuple[Masks, Masks, Masks]]


def segment_counts(predicted: Masks, truth: Masks) -> tuple[Masks, Masks, Masks]:
    """Return TP, FP and FN of each class of masks (K, T)."""
    tp = np.sum(predicted * truth, axis=1)
    return tp, np.sum(predicted, axis=1) - tp, np.sum(truth, axis=1) - tp


def event_masks(row: Masks) -> list[Masks]:
    """Return a mask for each run of ones."""
    masks: list[Masks] = []
    for second, value in enumerate(row):
        if not value:
            continue
        if not masks or not second or not row[second - 1]:
            masks.append(np.zeros_like(row))
        masks[-1][second] = 1
    return masks


def event_counts(predicted: Masks, truth: Masks) -> tuple[Masks, Masks, Masks]:
    """Return TP, FP and FN of the events of each class of masks (K, T)."""
    tp, fp, fn = np.zeros((3, len(truth)), dtype=int)
    for k in range(len(truth)):
        found, true = event_masks(predicted[k]), event_masks(truth[k])
        for event in found:
            is_hit = any(matches(event, other) for other in true)
            tp[k] += is_hit
            fp[k] += not is_hit
        fn[k] = sum(not any(matches(event, other) for other in found) for event in true)
    return tp, fp, fn


def matches(event: Masks, other: Masks) -> bool:
    """Return whether two events overlap by half of their union."""
    return bool(np.sum(event * other) >= 0.5 * np.sum((event + other) > 0))


def mean_f(tp: Masks, fp: Masks, fn: Masks) -> float:
    """Return the mean F of the classes that occur or are predicted."""
    values = [
        2 * tp[k] / (2 * tp[k] + fp[k] + fn[k]) for k in range(len(tp)) if tp[k] + fp[k] + fn[k]
    ]
    return float(np.mean(values)) if values else 1.0


def video_scores(predicted: Sequence[Masks], truth: Sequence[Masks], count: Counter) -> list[float]:
    """Return the four scores of a video, of masks (K, T) of sound and picture."""
    audio, visual = (count(p, t) for p, t in zip(predicted, truth, strict=True))
    both = count(predicted[0] * predicted[1], truth[0] * truth[1])
    added = [a + v for a, v in zip(audio, visual, strict=True)]
    return [mean_f(*audio), mean_f(*visual), mean_f(*added), mean_f(*both)]


def published_metrics(predicted: Sequence[Masks], truth: Sequence[Masks]) -> list[float]:
    """Return the table, from masks (N, K, T) of sound and picture."""
    scores: list[list[list[float]]] = [[], []]
    for pa, pv, ta, tv in zip(*predicted, *truth, strict=True):
        for level, count in enumerate((segment_counts, event_counts)):
            scores[level].append(video_scores([pa, pv], [ta, tv], count))
    return table(*scores)


def our_metrics(predicted: Sequence[Masks], truth: Sequence[Masks]) -> list[float]:
    """Return the table, from masks (N, K, T) of sound and picture."""
    given, true = Events(*predicted), Events(*truth)
    return table(segment_scores(given, true).video_f, event_scores(given, true).video_f)


def table(segment: Any, event: Any) -> list[float]:
    """Return the ten scores in order."""
    scores = data_set_scores(segment, event)
    return [float(scores[name] or 0) for name in TABLE]


def published_labels(annotation: pd.DataFrame, filename: str) -> Masks:
    """Return masks (K, T) of a video."""
    labels = np.zeros((len(CLASSES), SECONDS), dtype=int)
    for _, row in annotation[annotation["filename"] == filename].iterrows():
        labels[CLASSES.index(row["event_labels"]), row["onset"] : row["offset"]] = 1
    return labels


def published_evaluation(
    names: Sequence[str], paths: Sequence[Path], answers: Iterable[Sequence[Any]]
) -> list[float]:
    """Return the table from probabilities (1, K) and (1, T, 2, K) of one video after another."""
    annotations = [pd.read_csv(path, sep="\t") for path in paths]
    scores: list[list[list[float]]] = [[], []]
    for name, answer in zip(names, answers, strict=True):
        video, segments = (np.asarray(x)[0] for x in answer)
        is_present = (video >= 0.5).astype(int)
        predicted = [((segments[:, m] >= 0.5) * is_present).T for m in range(2)]
        truth = [published_labels(annotation, name) for annotation in annotations]
        for level, count in enumerate((segment_counts, event_counts)):
            scores[level].append(video_scores(predicted, truth, count))
    return table(*scores)


def our_evaluation(
    names: Sequence[str], paths: Sequence[Path], ask_all: Callable[[], Sequence[Any]]
) -> list[float]:
    """Return the table from the probabilities of all videos."""
    truth = [dense_labels(names, read_dense(path)) for path in paths]
    return our_metrics(find_events(*ask_all()), truth)


class PublishedVideos(Dataset[list[torch.Tensor]]):
    """The features and the segment labels of videos, from a file each."""

    def __init__(self, folders: Mapping[str, Path], ids: Sequence[str]) -> None:
        self.folders, self.ids = folders, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        files = (folder / f"{self.ids[index]}.npy" for folder in self.folders.values())
        return [torch.from_numpy(np.load(file)) for file in files]


class StoredFeatures:
    """Random features of a few videos on disk, linked under the ids of all; and two networks."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.ids = [name[:11] for name in names]
        self.folders: dict[str, Path] = {}
        drawn = np.random.default_rng(0)
        for modality, kind in KINDS.items():
            shape = FEATURE_KINDS[kind].rows, FEATURE_KINDS[kind].width
            features = (drawn.standard_normal(shape, dtype=np.float32) for _ in range(DISTINCT))
            self.save(folder, modality, features)
        for name in ("audio labels", "visual labels"):  # which the published way reads, too
            labels = [np.zeros((SECONDS, len(CLASSES)), dtype=np.int64)] * DISTINCT
            self.save(folder, name, labels)
        self.ours, _ = new_parser(0, **network_sizes(RECIPE))
        self.published = published_network(self.ours)

    def save(self, folder: Path, name: str, arrays: Iterable[NDArray[Any]]) -> None:
        """Write a file of each array, and link those of further videos to them."""
        self.folders[name] = folder / name
        self.folders[name].mkdir()
        paths = [self.folders[name] / f"{video_id}.npy" for video_id in self.ids]
        for path, array in zip(paths[:DISTINCT], arrays, strict=True):
            np.save(path, array)
        for number, path in enumerate(paths[DISTINCT:]):
            path.symlink_to(paths[number % DISTINCT].name)

    @torch.inference_mode()
    def ask_each(self) -> Iterator[list[torch.Tensor]]:
        """Yield the published network's probabilities of one video after another."""
        for audio, visual, motion, *_ in DataLoader(PublishedVideos(self.folders, self.ids)):
            global_prob, frame_logits = self.published(audio, visual, motion)
            yield [global_prob, frame_logits.sigmoid()]

    @torch.inference_mode()
    def ask_all(self) -> list[torch.Tensor]:
        """Return our network's probabilities of all videos, whose files are read once more."""
        folders = {m: FeatureFolder(self.folders[m], kind, self.ids) for m, kind in KINDS.items()}
        videos = ParserVideos(folders, np.zeros((len(self.ids), len(CLASSES)), dtype=np.uint8))
        starts = range(0, len(videos), BATCH)
        parts = (range(start, min(start + BATCH, len(videos))) for start in starts)
        answers = [run_parser(self.ours.eval(), videos.batch(part)) for part in parts]
        return [
            torch.cat([a.global_prob for a in answers]),
            torch.cat([a.frame_prob for a in answers]),
        ]


def published_network(ours: EventParser) -> PublishedNetwork:
    """Return the published network with the weights of ours, to be asked."""
    network = PublishedNetwork(RECIPE).eval()
    weights = {k.removeprefix("hat_encoder."): v for k, v in ours.state_dict().items()}
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network


def golden_masks() -> list[Masks]:
    """Return masks (N, K, T): audio and visual predictions, and both annotations."""
    names = [f"{kind}_{m}" for kind in ("pred", "gt") for m in ("audio", "visual")]
    with np.load(ROOT / "tests" / "golden" / "valor" / "eval_test.npz") as golden:
        return [golden[name].astype(int) for name in names]


def write_annotation(masks: Masks, names: Sequence[str], path: Path) -> None:
    """Write masks (N, K, T) as a dense annotation."""
    rows = [row for video in event_records(masks, names, CLASSES) for row in video]
    columns = ["filename", "onset", "offset", "event_labels"]
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)


def measure(folder: Path) -> dict[str, Any]:
    """Return the CPU seconds of both ways, and how far their tables are from each other."""
    masks = golden_masks()
    predicted, truth = masks[:2], masks[2:]
    names = [f"video{i:06}_0_10" for i in range(len(truth[0]))]
    paths = [folder / "audio.csv", folder / "visual.csv"]
    for annotation, path in zip(truth, paths, strict=True):
        write_annotation(annotation, names, path)
    segments = np.stack(predicted, axis=1).transpose(0, 3, 1, 2).astype(np.float32)
    probs = [np.ones((len(names), len(CLASSES)), dtype=np.float32), segments]  # (N, T, 2, K)
    single = [[x[i : i + 1] for x in probs] for i in range(len(names))]
    stored = StoredFeatures(folder, names)
    pairs: dict[str, tuple[Callable[[], list[float]], Callable[[], list[float]], int]] = {
        "metrics": (
            lambda: published_metrics(predicted, truth),
            lambda: our_metrics(predicted, truth),
            ROUNDS,
        ),
        "labels, events and metrics": (
            lambda: published_evaluation(names, paths, single),
            lambda: our_evaluation(names, paths, lambda: probs),
            ROUNDS,
        ),
        "the whole evaluation": (
            lambda: published_evaluation(names, paths, stored.ask_each()),
            lambda: our_evaluation(names, paths, stored.ask_all),
            NETWORK_ROUNDS,
        ),
    }
    result: dict[str, Any] = {}
    for name, (published, ours, rounds) in pairs.items():
        seconds = best_cpu_seconds({"published": published, "ours": ours}, rounds)
        difference = np.abs(np.subtract(published(), ours())).max()
        result[f"{name}: published way, CPU s"] = round(seconds["published"], 3)
        result[f"{name}: ours, CPU s"] = round(seconds["ours"], 4)
        result[f"{name}: times faster"] = round(seconds["published"] / seconds["ours"], 1)
        result[f"{name}: largest difference, percent"] = float(f"{difference:.1e}")
    return result


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        result = measure(Path(name))
    write_result("event_parsing", result, "numpy", "pandas", "torch")


if __name__ == "__main__":
    main()
