"""Training steps of VALOR and VALOR++: the published program, rebuilt, against avlib.

Workload: VALOR and VALOR++, 64 videos a step of random features in their published shapes, random
labels, one thread. The published way is rebuilt here: every frame, and every column of the resized
audio map, is projected before it is averaged; attention gives its weights, too; torch's dropout;
AdamW without fusion; the norm of the gradient is taken again after clipping. Ours is measured with
the features as they are on disk, and pooled before, as the trainer keeps them.

    .venv/bin/python benchmarks/event_parsing_training.py
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from measure import best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional

from avlib.valor.feature_folders import FEATURE_KINDS
from avlib.valor.network import DROPOUT, NUM_CLASSES, SEGMENTS, pool_to_segments
from avlib.valor.objective import (
    ParserBatch,
    build_optimizer,
    train_step,
)
from avlib.valor.recipes import PARSER_RECIPES, ParserRecipe
from avlib.valor.weights import network_sizes, new_parser

VARIANTS = ("valor", "valor+", "valor++")
BATCHES, ROUNDS = 2, 8


class PublishedLayer(nn.Module):
    """A layer on sequence-first streams, (T, B, D)."""

    def __init__(self, recipe: ParserRecipe) -> None:
        super().__init__()
        width, hidden = recipe.hidden_dim, recipe.ff_dim
        self.self_attn = nn.MultiheadAttention(width, recipe.nhead, dropout=DROPOUT)
        self.cm_attn = nn.MultiheadAttention(width, recipe.nhead, dropout=DROPOUT)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Return the next `x`."""
        crossed, _ = self.cm_attn(x, other, other)
        attended, _ = self.self_attn(x, x, x)
        x = self.norm1(x + self.dropout(crossed) + self.dropout(attended))
        hidden = self.dropout(functional.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class PublishedNetwork(nn.Module):
    """The network as plainly as it is described."""

    def __init__(self, recipe: ParserRecipe) -> None:
        super().__init__()
        width = recipe.hidden_dim
        self.fc_prob, self.fc_frame_att, self.fc_av_att = (
            nn.Linear(width, NUM_CLASSES) for _ in range(3)
        )
        self.fc_a, self.fc_v, self.fc_st = (
            nn.Linear(FEATURE_KINDS[kind].width, width)
            for kind in (recipe.audio, recipe.visual, recipe.motion)
        )
        self.fc_fusion = nn.Linear(2 * width, width)
        layer = PublishedLayer(recipe)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(recipe.num_layers))

    def forward(self, audio: Tensor, visual: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Return global_prob and frame_logits of features in their published shapes."""
        a, v = self._audio(audio), self.fc_v(visual)
        if visual.shape[1] != SEGMENTS:
            v = v.unflatten(1, (SEGMENTS, -1)).mean(dim=2)
        v = self.fc_fusion(torch.cat([v, self.fc_st(motion)], dim=2))
        a, v = a.transpose(0, 1), v.transpose(0, 1)
        for layer in self.layers:
            a = layer(a, v)
            v = layer(v, a)
        z = torch.stack([a.transpose(0, 1), v.transpose(0, 1)], dim=2)
        frame_logits = self.fc_prob(z)
        temporal = self.fc_frame_att(z).softmax(dim=1) * frame_logits.sigmoid()
        return (temporal * self.fc_av_att(z).softmax(dim=2)).sum(dim=(1, 2)), frame_logits

    def _audio(self, audio: Tensor) -> Tensor:
        if audio.shape[1] == SEGMENTS:
            return self.fc_a(audio)
        grid = audio.unflatten(1, (2, -1)).permute(0, 3, 1, 2)  # (B, D, 2, 32)
        columns = functional.interpolate(grid, size=(2, 1024), mode="bicubic")
        projected = self.fc_a(columns.permute(0, 2, 3, 1)).mean(dim=1)  # (B, 1024, H)
        return functional.adaptive_avg_pool1d(projected.transpose(1, 2), SEGMENTS).transpose(1, 2)


class PublishedWay:
    """Steps of the published program."""

    def __init__(self, recipe: ParserRecipe) -> None:
        torch.manual_seed(0)
        self.recipe, self.model = recipe, PublishedNetwork(recipe).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.lr,
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
        )

    def step(self, batch: ParserBatch) -> None:
        """Train on a batch."""
        self.optimizer.zero_grad()
        global_prob, frame_logits = self.model(batch.audio, batch.visual, batch.motion)
        losses = [functional.binary_cross_entropy(global_prob.clamp(1e-7, 1 - 1e-7), batch.labels)]
        for modality, labels in enumerate((batch.audio_labels, batch.visual_labels)):
            logits = frame_logits[:, :, modality]
            losses.append(functional.binary_cross_entropy_with_logits(logits, labels))
        sum(losses).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_norm)
        norms = [p.grad.norm() for p in self.model.parameters()]
        _ = torch.stack(norms).norm().item(), [loss.item() for loss in losses]
        self.optimizer.step()


class OurWay:
    """Steps of the library."""

    def __init__(self, recipe: ParserRecipe) -> None:
        self.recipe = recipe
        self.model, _ = new_parser(0, **network_sizes(recipe))
        self.model.train()
        self.optimizer = build_optimizer(self.model, recipe)

    def step(self, batch: ParserBatch) -> None:
        """Train on a batch whose features are pooled, or are not."""
        batch = pooled(batch)
        train_step(self.model, self.optimizer, batch, grad_norm=self.recipe.grad_norm)


def make_batches(recipe: ParserRecipe) -> list[ParserBatch]:
    """Return random batches in the published shapes."""
    drawn = torch.Generator().manual_seed(0)
    kinds = [FEATURE_KINDS[kind] for kind in (recipe.audio, recipe.visual, recipe.motion)]
    size = recipe.batch_size
    shapes = [(size, NUM_CLASSES), *[(size, SEGMENTS, NUM_CLASSES)] * 2]
    return [
        ParserBatch(
            *(torch.randn(size, kind.rows, kind.width, generator=drawn) for kind in kinds),
            *((torch.rand(shape, generator=drawn) < 0.1).float() for shape in shapes),
        )
        for _ in range(BATCHES)
    ]


def pooled(batch: ParserBatch) -> ParserBatch:
    """Return a batch whose features are pooled to segments."""
    features = (pool_to_segments(x) for x in (batch.audio, batch.visual, batch.motion))
    return ParserBatch(*features, batch.labels, batch.audio_labels, batch.visual_labels)


def endless(way: PublishedWay | OurWay, batches: Sequence[ParserBatch]) -> "partial[None]":
    """Return what takes a step with the next batch."""
    return partial(_step, way, itertools.cycle(batches))


def _step(way: PublishedWay | OurWay, batches: Iterator[ParserBatch]) -> None:
    way.step(next(batches))


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    for name in VARIANTS:
        recipe = PARSER_RECIPES[name]
        batches = make_batches(recipe)
        ways = {
            "published way": endless(PublishedWay(recipe), batches),
            "ours": endless(OurWay(recipe), batches),
            "ours, pooled before": endless(OurWay(recipe), [pooled(b) for b in batches]),
        }
        with threadpool_limits(1):
            seconds = best_cpu_seconds(ways, ROUNDS)
        for way, value in seconds.items():
            ratio = seconds["published way"] / value
            result[f"{name}, {way}: CPU seconds a step"] = round(value, 3)
            result[f"{name}, {way}: times the throughput"] = round(ratio, 2)
    write_result("event_parsing_training", result, "numpy", "torch")


if __name__ == "__main__":
    main()
