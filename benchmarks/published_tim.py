"""The published program of TIM, rebuilt plainly, and the steps of avlib, for benchmarks.

The published way: as many query slots in every window as the split's fullest one is thought to
need, a mask for every window and head, attention weights as a result, windows put together one by
one from features in memory, AdamW without fusion, and dense tables of all queries for all heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from avlib.tim.batches import WindowDataset
from avlib.tim.checkpoint import new_tim
from avlib.tim.network import TIM
from avlib.tim.objective import Step, build_optimizer, draw_step, train_step
from avlib.tim.recipes import TimRecipe
from avlib.tim.scores import QueryScores
from avlib.tim.windows import WindowIndex

NETWORK = (
    *("d_model", "feedforward_scale", "nhead", "num_layers", "num_feats", "model_modality"),
    *("data_modality", "apply_feature_pooling", "enc_dropout", "feat_dropout", "seq_dropout"),
)
MODALITIES = ("visual", "audio")
LABELS = {"verb": 0, "noun": 1, "action": 2}  # columns of visual labels


@dataclass(frozen=True)
class Workload:
    """A network for both modalities and what it is trained on.

    Attributes:
        recipe: sizes and rates.
        channels: of the features of each modality.
        classes: of each head: verb and noun or neither, action, audio.
        slots: query slots of each modality that the published program makes in every window.
    """

    recipe: TimRecipe
    channels: Mapping[str, int]
    classes: Mapping[str, int]
    slots: Mapping[str, int]

    @property
    def visual_heads(self) -> list[str]:
        """The heads of visual queries, in the order of their tokens."""
        return [head for head in self.classes if head != "audio"]


def published_slots(index: WindowIndex) -> dict[str, int]:
    """Return how many slots the published loader makes: where one is short, a window's total."""
    slots = dict.fromkeys(MODALITIES, 0)
    for first, last in zip(index.offsets[:-1], index.offsets[1:], strict=True):
        n_visual = int(index.is_visual[first:last].sum())
        for modality, count in zip(MODALITIES, (n_visual, last - first - n_visual), strict=True):
            if count > slots[modality]:
                slots[modality] = int(last - first)
    return slots


class PublishedLayer(nn.Module):
    """An encoder layer under a mask, which gives its attention weights."""

    def __init__(self, recipe: TimRecipe) -> None:
        super().__init__()
        width, hidden = 2 * recipe.d_model, recipe.feedforward_scale * recipe.d_model
        self.self_attn = nn.MultiheadAttention(width, recipe.nhead, dropout=recipe.enc_dropout)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(recipe.enc_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (S, B, W) tokens and (B, S, S) weights; `mask` is (B * H, S, S)."""
        attended, weights = self.self_attn(x, x, x, attn_mask=mask)
        x = self.norm1(x + self.dropout(attended))
        hidden = self.dropout(functional.gelu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden))), weights


class PublishedNetwork(nn.Module):
    """The network as plainly as it is described."""

    def __init__(self, work: Workload) -> None:
        super().__init__()
        self.work, recipe, d = work, work.recipe, work.recipe.d_model
        layers: list[nn.Module] = []
        for n_in in (2, d, d):
            layers += [nn.Linear(n_in, d), nn.ReLU()]
        self.time_mlp = nn.Sequential(*layers, nn.LayerNorm(d))
        for modality, n_in in work.channels.items():
            dropout = nn.Dropout(recipe.feat_dropout)
            embedder = nn.Sequential(dropout, nn.Linear(n_in, d), nn.GELU(), nn.LayerNorm(d))
            self.add_module(f"{modality}_embedder", embedder)
            self.register_parameter(f"{modality}_encoding", nn.Parameter(torch.zeros(1, 1, 2 * d)))
        for head, n_classes in work.classes.items():
            self.register_parameter(f"{head}_cls", nn.Parameter(torch.zeros(1, 1, d)))
            self.add_module(f"{head}_head", nn.Linear(2 * d, n_classes))
        self.dropout = nn.Dropout(recipe.seq_dropout)
        self.layers = nn.ModuleList(PublishedLayer(recipe) for _ in range(recipe.num_layers))
        self.drloc_mlp = nn.Sequential(
            nn.Linear(4 * d, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 1)
        )

    def forward(
        self, features: Mapping[str, Tensor], when: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the logits of each head, (B * slots, K), and feature tokens."""
        n_features = 2 * self.work.recipe.num_feats
        x = self.dropout(self._tokens(features, when))  # (B, S, W)
        length, nhead = x.shape[1], self.work.recipe.nhead
        mask = torch.zeros(len(x) * nhead, length, length, dtype=torch.bool)
        mask[:, :, n_features:] = True
        queries = torch.arange(n_features, length)
        mask[:, queries, queries] = False
        x = x.transpose(0, 1)
        for layer in self.layers:
            x, _ = layer(x, mask)
        tokens, *queries = x.transpose(0, 1).split([n_features, *self._lengths()], dim=1)
        logits = {
            head: self.get_submodule(f"{head}_head")(q.flatten(0, 1))
            for head, q in zip(self.work.classes, queries, strict=True)
        }
        return logits, tokens

    def _lengths(self) -> list[int]:
        slots = self.work.slots
        return [slots["audio" if head == "audio" else "visual"] for head in self.work.classes]

    def _tokens(self, features: Mapping[str, Tensor], when: Tensor) -> Tensor:
        n, slots, parts = self.work.recipe.num_feats, self.work.slots, []
        *times, of_visual, of_audio = when.split([n, n, *slots.values()], dim=1)
        for modality, t in zip(MODALITIES, times, strict=True):
            what = self.get_submodule(f"{modality}_embedder")(features[modality])
            encoding = self.get_parameter(f"{modality}_encoding")
            parts.append(torch.cat([what, t], dim=2) + encoding)
        for head in self.work.classes:
            modality, t = ("audio", of_audio) if head == "audio" else ("visual", of_visual)
            what = self.get_parameter(f"{head}_cls").expand_as(t)
            encoding = self.get_parameter(f"{modality}_encoding")
            parts.append(torch.cat([what, t], dim=2) + encoding)
        return torch.cat(parts, dim=1)


class PublishedWay:
    """Steps and evaluation of the published program; its features are all in memory.

    Args:
        work: the network.
        splits: windows of `train` and `val`.
    """

    def __init__(self, work: Workload, splits: Mapping[str, WindowDataset]) -> None:
        torch.manual_seed(0)
        self.work, self.splits, self.rng = work, splits, np.random.default_rng(0)
        self.model = PublishedNetwork(work)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=work.recipe.lr, weight_decay=work.recipe.weight_decay
        )
        self.features = {name: self._load(windows) for name, windows in splits.items()}
        self.windows = {name: self._padded(windows) for name, windows in splits.items()}

    def _load(self, windows: WindowDataset) -> dict[str, list[NDArray[np.float32]]]:
        folders = {"visual": windows.visual.folders[0], "audio": windows.audio.folders[0]}
        videos = windows.index.video_ids
        return {m: [np.load(folders[m] / f"{v}.npy") for v in videos] for m in MODALITIES}

    def _padded(self, windows: WindowDataset) -> list[Tensor]:
        """Return times, visual labels, audio labels, visual ids and audio ids of all windows."""
        batch, n = windows.batch(range(len(windows))), self.work.recipe.num_feats
        found = (batch.visual_queries, batch.audio_queries)
        spare = [self.work.slots[m] - x.shape[1] for m, x in zip(MODALITIES, found, strict=True)]
        *feature_times, visual, audio = batch.times.split([n, n, *(x.shape[1] for x in found)], 1)
        times = (
            functional.pad(x, (0, 0, 0, n)) for x, n in zip((visual, audio), spare, strict=True)
        )
        labels = functional.pad(batch.visual_labels, (0, 0, 0, spare[0]), value=-1)
        slots = (batch.audio_labels, *found)
        return [
            torch.cat([*feature_times, *times], dim=1),
            labels,
            *(
                functional.pad(x, (0, n), value=-1)
                for x, n in zip(slots, (spare[1], *spare), strict=True)
            ),
        ]

    def _batch(self, split: str, items: NDArray[np.int64]) -> list[Tensor]:
        """Put windows together one by one; every feature takes a random view."""
        index, windows = self.splits[split].index, []
        for item in items:
            drawn = []
            for arrays in self.features[split].values():
                array = arrays[index.video[item]]
                views = self.rng.integers(array.shape[1], size=self.work.recipe.num_feats)
                drawn.append(torch.from_numpy(array[index.rows[item], views]))
            windows.append((*drawn, *(x[item] for x in self.windows[split])))
        return [torch.stack(parts) for parts in zip(*windows, strict=True)]

    def step(self, items: NDArray[np.int64]) -> None:
        """Train on a batch."""
        recipe = self.work.recipe
        visual, audio, times, visual_labels, audio_labels, *_ = self._batch("train", items)
        self.model.train()
        lam = self.rng.beta(recipe.mixup_alpha, recipe.mixup_alpha)
        other = torch.randperm(len(items))
        parts = (visual, audio, self.model.time_mlp(times))
        visual, audio, when = (lam * x + (1 - lam) * x[other] for x in parts)
        logits, tokens = self.model({"visual": visual, "audio": audio}, when)
        losses = {}
        for head, x in logits.items():
            labels = audio_labels if head == "audio" else visual_labels[..., LABELS[head]]
            losses[head] = sum(
                share
                * functional.cross_entropy(
                    x[y != -1], y[y != -1], label_smoothing=recipe.label_smoothing
                )
                for share, y in ((lam, labels.flatten()), (1 - lam, labels[other].flatten()))
            )
        of_audio = recipe.lambda_audio * losses.pop("audio")
        loss = sum(losses.values()) / len(losses) + of_audio
        loss = loss + recipe.lambda_drloc * self._localisation(tokens)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _localisation(self, tokens: Tensor) -> Tensor:
        n, item = self.work.recipe.num_feats, torch.arange(len(tokens))[:, None]
        first, second = torch.randint(n, (2, len(tokens), self.work.recipe.m_drloc))
        pairs = torch.cat([tokens[:, :n][item, first], tokens[:, n:][item, second]], dim=2)
        distances = (first - second).abs() / n
        return (self.model.drloc_mlp(pairs).squeeze(2) - distances).abs().mean()

    @torch.no_grad()
    def evaluate(self) -> None:
        """Sum the logits of all queries in dense tables, one for each head."""
        self.model.eval()
        windows, size = self.splits["val"], self.work.recipe.batch_size
        n_queries = int(windows.index.query.max()) + 1
        tables = {head: torch.zeros(n_queries, k) for head, k in self.work.classes.items()}
        counts = torch.zeros(n_queries)
        for first in range(0, len(windows), size):
            items = np.arange(first, min(first + size, len(windows)))
            visual, audio, times, *slots = self._batch("val", items)
            features = {"visual": visual, "audio": audio}
            logits, _ = self.model(features, self.model.time_mlp(times))
            *_, visual_ids, audio_ids = (ids.flatten() for ids in slots)
            for head, x in logits.items():
                ids = audio_ids if head == "audio" else visual_ids
                tables[head].index_add_(0, ids[ids != -1], x[ids != -1])
            for ids in (visual_ids, audio_ids):
                counts.index_add_(0, ids[ids != -1], torch.ones(int((ids != -1).sum())))
        for table in tables.values():
            (table / counts[:, None]).softmax(dim=1)


class OurWay:
    """Steps and evaluation of the library; its features are on disk."""

    def __init__(
        self,
        work: Workload,
        splits: Mapping[str, WindowDataset],
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.work, self.splits, self.precision = work, splits, precision
        self.rng, recipe = np.random.default_rng(0), work.recipe
        self.model: TIM = new_tim(
            0,
            visual_input_dim=work.channels["visual"],
            audio_input_dim=work.channels["audio"],
            visual_classes=tuple(work.classes[head] for head in work.visual_heads),
            audio_classes=work.classes["audio"],
            **{name: getattr(recipe, name) for name in NETWORK},
        )
        self.optimizer = build_optimizer(
            self.model, rate=recipe.lr, weight_decay=recipe.weight_decay
        )

    def step(self, items: NDArray[np.int64]) -> None:
        """Train on a batch."""
        recipe = self.work.recipe
        self.model.train()
        draws = draw_step(
            self.rng,
            len(items),
            mixup_alpha=recipe.mixup_alpha,
            m_drloc=recipe.m_drloc,
            num_feats=recipe.num_feats,
        )
        batch = self.splits["train"].batch(items.tolist(), self.rng)
        train_step(
            self.model,
            self.optimizer,
            Step(batch, draws, self.rng.integers(2**63, size=1).tolist()),
            recipe,
            precision=self.precision,
        )

    @torch.inference_mode()
    def evaluate(self) -> None:
        """Sum the logits of the queries of each label space."""
        self.model.eval()
        windows, size = self.splits["val"], self.work.recipe.batch_size
        index, is_mixed = windows.index, self.precision != torch.float32
        heads = {"visual": self.work.visual_heads, "audio": ["audio"]}
        scores = {
            modality: QueryScores(
                np.unique(index.query[index.is_visual == (modality == "visual")]),
                {head: self.work.classes[head] for head in heads[modality]},
            )
            for modality in MODALITIES
        }
        for first in range(0, len(windows), size):
            batch = windows.batch(range(first, min(first + size, len(windows))))
            ids = {"visual": batch.visual_queries, "audio": batch.audio_queries}
            sizes = (x.shape[1] for x in ids.values())
            with torch.autocast("cpu", self.precision, enabled=is_mixed):
                output = self.model(batch.visual, batch.audio, batch.times, *sizes)
            for modality, found in scores.items():
                logits = {head: getattr(output, head).float() for head in heads[modality]}
                found.add(ids[modality], logits)
        for found in scores.values():
            found.probs()
