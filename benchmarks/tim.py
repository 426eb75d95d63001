"""Training and evaluation of TIM: the published program, rebuilt, against avlib.

Workload "AVE-bench": the network of the recipe `ave`, windows of 10 s with ten one-second queries
in both label spaces; 256 videos to train on with 4 visual and 5 audio views, 128 to evaluate;
64 windows a step, one thread. The published way is rebuilt here: 20 query slots where 10 would do,
a mask for every window and head, attention weights as a result, windows put together one by one,
AdamW without fusion, and dense tables of all queries for all heads. Mixed precision is an option.

    .venv/bin/python benchmarks/tim.py
"""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measure import best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional

from avlib.extractors.intervals import interval_rows
from avlib.tim.batches import WindowDataset
from avlib.tim.checkpoint import new_tim
from avlib.tim.objective import Step, build_optimizer, draw_step, train_step
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.scores import QueryScores
from avlib.tim.windows import build_windows

RECIPE = TIM_RECIPES["ave"]
CLASSES, QUERIES, SLOTS, ROUNDS = 29, 10, 20, 6
F, D, B, HEADS = RECIPE.num_feats, RECIPE.d_model, RECIPE.batch_size, RECIPE.nhead
CHANNELS = {"visual": 1024, "audio": 2304}
VIDEOS = {"train": (256, {"visual": 4, "audio": 5}), "val": (128, {"visual": 1, "audio": 1})}


NETWORK = (
    *("d_model", "feedforward_scale", "nhead", "num_layers", "num_feats", "model_modality"),
    *("data_modality", "apply_feature_pooling", "enc_dropout", "feat_dropout", "seq_dropout"),
)


def make_split(folder: Path, split: str) -> WindowDataset:
    """Write the features of a split; return its windows."""
    count, views = VIDEOS[split]
    video_ids = [f"{split}{number:03}" for number in range(count)]
    rows = [
        interval_rows(video_id, 250, 25.0, interval_s=1.1, hop_s=0.2).assign(split=split)
        for video_id in video_ids
    ]
    intervals = pd.concat(rows, ignore_index=True)
    rng = np.random.default_rng(0)
    for modality, n_views in views.items():
        (folder / modality).mkdir(parents=True)
        for video_id in video_ids:
            shape = (len(rows[0]), n_views, CHANNELS[modality])
            np.save(folder / modality / video_id, rng.standard_normal(shape, dtype=np.float32))
    labels = rng.integers(CLASSES, size=2 * count * QUERIES)
    second = np.tile(np.arange(QUERIES, dtype=float), 2 * count)
    is_visual = np.repeat([True, False], count * QUERIES)
    known = pd.Series(labels, dtype="Int64")
    queries = pd.DataFrame(
        {
            "query_id": np.arange(len(labels)),
            "video_id": np.tile(np.repeat(video_ids, QUERIES), 2),
            "start_s": second,
            "stop_s": second + 1,
            "modality": np.where(is_visual, "visual", "audio"),
            "verb_class": pd.Series(pd.NA, index=known.index, dtype="Int64"),
            "noun_class": pd.Series(pd.NA, index=known.index, dtype="Int64"),
            "action_class": known.where(is_visual),
            "class_id": known.where(~is_visual),
        }
    )
    index = build_windows(queries, intervals, dict.fromkeys(video_ids, 10.0), RECIPE)
    paths = {modality: [folder / modality] for modality in views}
    return WindowDataset(index, queries, intervals, **paths, recipe=RECIPE)


class PublishedLayer(nn.Module):
    """An encoder layer under a mask, which gives its attention weights."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(2 * D, HEADS, dropout=RECIPE.enc_dropout)
        self.linear1, self.linear2 = nn.Linear(2 * D, 4 * D), nn.Linear(4 * D, 2 * D)
        self.norm1, self.norm2 = nn.LayerNorm(2 * D), nn.LayerNorm(2 * D)
        self.dropout = nn.Dropout(RECIPE.enc_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (S, B, W) tokens and (B, S, S) weights; `mask` is (B * H, S, S)."""
        attended, weights = self.self_attn(x, x, x, attn_mask=mask)
        x = self.norm1(x + self.dropout(attended))
        hidden = self.dropout(functional.gelu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden))), weights


class PublishedNetwork(nn.Module):
    """The network for two modalities and actions alone, as plainly as it is described."""

    def __init__(self) -> None:
        super().__init__()
        layers = [
            nn.Linear(2, D),
            nn.ReLU(),
            nn.Linear(D, D),
            nn.ReLU(),
            nn.Linear(D, D),
            nn.ReLU(),
        ]
        self.time_mlp = nn.Sequential(*layers, nn.LayerNorm(D))
        for modality, n_in in CHANNELS.items():
            dropout = nn.Dropout(RECIPE.feat_dropout)
            embedder = nn.Sequential(dropout, nn.Linear(n_in, D), nn.GELU(), nn.LayerNorm(D))
            self.add_module(f"{modality}_embedder", embedder)
            self.register_parameter(f"{modality}_encoding", nn.Parameter(torch.zeros(1, 1, 2 * D)))
            self.register_parameter(f"{modality}_cls", nn.Parameter(torch.zeros(1, 1, D)))
            self.add_module(f"{modality}_head", nn.Linear(2 * D, CLASSES))
        self.dropout = nn.Dropout(RECIPE.seq_dropout)
        self.layers = nn.ModuleList(PublishedLayer() for _ in range(RECIPE.num_layers))
        self.drloc_mlp = nn.Sequential(
            nn.Linear(4 * D, D), nn.ReLU(), nn.Linear(D, D), nn.ReLU(), nn.Linear(D, 1)
        )

    def forward(self, features: Mapping[str, Tensor], when: Tensor) -> tuple[Tensor, ...]:
        """Return visual logits, audio logits and feature tokens; `when` are time vectors."""
        times = dict(zip(CHANNELS, when.split([F, F, 2 * SLOTS], dim=1)[:2], strict=True))
        query_times = dict(zip(CHANNELS, when[:, 2 * F :].split(SLOTS, dim=1), strict=True))
        parts = []
        for m in CHANNELS:
            what = self.get_submodule(f"{m}_embedder")(features[m])
            parts.append(torch.cat([what, times[m]], 2) + self.get_parameter(f"{m}_encoding"))
        for m in CHANNELS:
            what = self.get_parameter(f"{m}_cls").expand(len(when), SLOTS, -1)
            parts.append(torch.cat([what, query_times[m]], 2) + self.get_parameter(f"{m}_encoding"))
        x = self.dropout(torch.cat(parts, dim=1))
        length = x.shape[1]
        mask = torch.zeros(len(x) * HEADS, length, length, dtype=torch.bool)
        mask[:, :, 2 * F :] = True
        slots = torch.arange(2 * F, length)
        mask[:, slots, slots] = False
        x = x.transpose(0, 1)
        for layer in self.layers:
            x, _ = layer(x, mask)
        tokens, visual, audio = x.transpose(0, 1).split([2 * F, SLOTS, SLOTS], dim=1)
        logits = (
            self.get_submodule("visual_head")(visual),
            self.get_submodule("audio_head")(audio),
        )
        return *(x.flatten(0, 1) for x in logits), tokens


class PublishedWay:
    """Steps and evaluation of the published program; its features are all in memory."""

    def __init__(self, splits: Mapping[str, WindowDataset]) -> None:
        torch.manual_seed(0)
        self.splits, self.rng = splits, np.random.default_rng(0)
        self.model = PublishedNetwork()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=RECIPE.lr, weight_decay=RECIPE.weight_decay
        )
        self.features = {name: self._load(windows) for name, windows in splits.items()}
        self.windows = {name: self._padded(windows) for name, windows in splits.items()}

    def _load(self, windows: WindowDataset) -> dict[str, list[NDArray[np.float32]]]:
        folders = {"visual": windows.visual.folders[0], "audio": windows.audio.folders[0]}
        videos = windows.index.video_ids
        return {m: [np.load(folders[m] / f"{v}.npy") for v in videos] for m in CHANNELS}

    def _padded(self, windows: WindowDataset) -> list[Tensor]:
        """Return times, visual labels, audio labels, visual ids and audio ids of all windows."""
        batch = windows.batch(range(len(windows)))
        *feature_times, visual, audio = batch.times.split([F, F, QUERIES, QUERIES], dim=1)
        spare = SLOTS - QUERIES
        times = (functional.pad(x, (0, 0, 0, spare)) for x in (visual, audio))
        labels = (batch.visual_labels[..., 2], batch.audio_labels)
        slots = (*labels, batch.visual_queries, batch.audio_queries)
        return [
            torch.cat([*feature_times, *times], dim=1),
            *(functional.pad(x, (0, spare), value=-1) for x in slots),
        ]

    def _batch(self, split: str, items: NDArray[np.int64]) -> list[Tensor]:
        """Put windows together one by one; every feature takes a random view."""
        index, windows = self.splits[split].index, []
        for item in items:
            drawn = []
            for arrays in self.features[split].values():
                array = arrays[index.video[item]]
                views = self.rng.integers(array.shape[1], size=F)
                drawn.append(torch.from_numpy(array[index.rows[item], views]))
            windows.append((*drawn, *(x[item] for x in self.windows[split])))
        return [torch.stack(parts) for parts in zip(*windows, strict=True)]

    def step(self, items: NDArray[np.int64]) -> None:
        """Train on a batch."""
        visual, audio, times, *slots = self._batch("train", items)
        self.model.train()
        lam = self.rng.beta(RECIPE.mixup_alpha, RECIPE.mixup_alpha)
        other = torch.randperm(len(items))
        parts = (visual, audio, self.model.time_mlp(times))
        visual, audio, when = (lam * x + (1 - lam) * x[other] for x in parts)
        *logits, tokens = self.model({"visual": visual, "audio": audio}, when)
        loss = RECIPE.lambda_drloc * self._localisation(tokens)
        for x, labels in zip(logits, slots[:2], strict=True):
            for share, y in ((lam, labels.flatten()), (1 - lam, labels[other].flatten())):
                is_known = y != -1
                loss = loss + share * functional.cross_entropy(
                    x[is_known], y[is_known], label_smoothing=RECIPE.label_smoothing
                )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _localisation(self, tokens: Tensor) -> Tensor:
        n_items, item = len(tokens), torch.arange(len(tokens))[:, None]
        first, second = torch.randint(F, (2, n_items, RECIPE.m_drloc))
        pairs = torch.cat([tokens[:, :F][item, first], tokens[:, F:][item, second]], dim=2)
        distances = (first - second).abs() / F
        return (self.model.drloc_mlp(pairs).squeeze(2) - distances).abs().mean()

    @torch.no_grad()
    def evaluate(self) -> None:
        """Sum the logits of all queries in dense tables, one for each head."""
        self.model.eval()
        n_queries = 2 * QUERIES * len(self.splits["val"])
        tables, counts = torch.zeros(2, n_queries, CLASSES), torch.zeros(n_queries)
        for first in range(0, len(self.splits["val"]), B):
            items = np.arange(first, min(first + B, len(self.splits["val"])))
            visual, audio, times, *slots = self._batch("val", items)
            output = self.model({"visual": visual, "audio": audio}, self.model.time_mlp(times))
            for table, x, ids in zip(tables, output[:2], slots[2:], strict=True):
                ids = ids.flatten()
                table.index_add_(0, ids[ids != -1], x[ids != -1])
                counts.index_add_(0, ids[ids != -1], torch.ones(int((ids != -1).sum())))
        (tables / counts[:, None]).softmax(dim=2)


class OurWay:
    """Steps and evaluation of the library; its features are on disk."""

    def __init__(
        self, splits: Mapping[str, WindowDataset], precision: torch.dtype = torch.float32
    ) -> None:
        torch.manual_seed(0)
        self.splits, self.rng, self.precision = splits, np.random.default_rng(0), precision
        self.model = new_tim(
            0,
            visual_input_dim=CHANNELS["visual"],
            audio_input_dim=CHANNELS["audio"],
            visual_classes=(CLASSES,),
            audio_classes=CLASSES,
            **{name: getattr(RECIPE, name) for name in NETWORK},
        )
        self.optimizer = build_optimizer(
            self.model, rate=RECIPE.lr, weight_decay=RECIPE.weight_decay
        )

    def step(self, items: NDArray[np.int64]) -> None:
        """Train on a batch."""
        self.model.train()
        draws = draw_step(
            self.rng,
            len(items),
            mixup_alpha=RECIPE.mixup_alpha,
            m_drloc=RECIPE.m_drloc,
            num_feats=F,
        )
        batch = self.splits["train"].batch(items.tolist(), self.rng)
        train_step(
            self.model,
            self.optimizer,
            Step(batch, draws, self.rng.integers(2**63, size=1).tolist()),
            RECIPE,
            precision=self.precision,
        )

    @torch.inference_mode()
    def evaluate(self) -> None:
        """Sum the logits of the queries of each label space."""
        self.model.eval()
        windows = self.splits["val"]
        n_queries = QUERIES * len(windows)
        visual = QueryScores(np.arange(n_queries), {"action": CLASSES})
        audio = QueryScores(np.arange(n_queries, 2 * n_queries), {"audio": CLASSES})
        for first in range(0, len(windows), B):
            batch = windows.batch(range(first, min(first + B, len(windows))))
            sizes = (batch.visual_queries.shape[1], batch.audio_queries.shape[1])
            with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
                output = self.model(batch.visual, batch.audio, batch.times, *sizes)
            visual.add(batch.visual_queries, {"action": output.action.float()})
            audio.add(batch.audio_queries, {"audio": output.audio.float()})
        visual.probs(), audio.probs()


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        splits = {split: make_split(Path(name) / split, split) for split in VIDEOS}
        ways = {
            "published way": PublishedWay(splits),
            "ours": OurWay(splits),
            "ours, mixed precision": OurWay(splits, torch.bfloat16),
        }
        order = np.random.default_rng(0).permutation(len(splits["train"]))
        batches = itertools.cycle(order.reshape(-1, B))
        training = best_cpu_seconds(
            {name: partial(_steps, way, batches) for name, way in ways.items()}, ROUNDS
        )
        evaluation = best_cpu_seconds({name: way.evaluate for name, way in ways.items()}, ROUNDS)
    result: dict[str, Any] = {}
    for part, seconds, windows in (
        ("training", training, B),
        ("evaluation", evaluation, VIDEOS["val"][0]),
    ):
        for name, value in seconds.items():
            ratio = seconds["published way"] / value
            result[f"{part}, {name}: windows a CPU second"] = round(windows / value, 1)
            result[f"{part}, {name}: times the throughput"] = round(ratio, 2)
    write_result("tim", result, "numpy", "torch")


def _steps(way: PublishedWay | OurWay, batches: Iterator[NDArray[np.int64]]) -> None:
    way.step(next(batches))


if __name__ == "__main__":
    main()
