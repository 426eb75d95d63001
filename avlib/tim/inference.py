"""Predictions of TIM for the queries of a split, and their metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn import functional

from avlib.prefetch import prefetched
from avlib.tim.batches import PADDING, WindowBatch
from avlib.tim.network import TIM
from avlib.tim.objective import slot_labels
from avlib.tim.scores import MeanLosses, QueryScores, tim_metrics
from avlib.tim.splits import SplitWindows
from avlib.tim.tables import LABEL_COLUMNS, UNKNOWN, VISUAL_HEADS
from avlib.training.team import ALONE, Team

Logits = dict[str, NDArray[np.float32]]


@dataclass
class Predictions:
    """Scores of the queries of a split, and the mean losses.

    Attributes:
        split: the split.
        visual: scores of the visual heads.
        audio: scores of the audio head.
        losses: of each head, over all pairs of a window and a query.
    """

    split: SplitWindows
    visual: QueryScores
    audio: QueryScores
    losses: MeanLosses = field(default_factory=MeanLosses)

    def metrics(self) -> dict[str, Any]:
        """Return what `tim_metrics` does, and `loss` of each head."""
        visual, audio = self.visual.probs(), self.audio.probs()
        found = tim_metrics(
            visual,
            _labels(self.split.visual, [LABEL_COLUMNS[head] for head in VISUAL_HEADS]),
            audio.get("audio"),
            _labels(self.split.audio, LABEL_COLUMNS["audio"]),
            is_paired=self.split.is_paired,
        )
        for head, loss in self.losses.means().items():
            found[head]["loss"] = loss
        return found


def _labels(queries: pd.DataFrame, columns: str | list[str]) -> NDArray[np.int64]:
    return queries[columns].astype("Int64").to_numpy(dtype=np.int64, na_value=UNKNOWN)


class _BatchPredictions(NamedTuple):
    """The logits of a batch on the CPU, with the queries that they belong to."""

    visual_queries: NDArray[np.int64]
    audio_queries: NDArray[np.int64]
    logits: Logits
    losses: dict[str, float]
    views: dict[str, int]


@torch.inference_mode()
def predict(
    model: TIM,
    split: SplitWindows,
    *,
    batch_size: int,
    label_smoothing: float,
    precision: torch.dtype = torch.float32,
    team: Team = ALONE,
    check: Callable[[], None] = lambda: None,
) -> Predictions:
    """Return the predictions of `model`, from unaugmented features.

    The processes of a team take turns at the batches, and each returns the predictions for all
    of them, added up in the same order as one process would.

    Args:
        model: the network; afterwards in evaluation mode.
        split: windows with the queries.
        batch_size: windows at once.
        label_smoothing: of the losses.
        precision: in which the network computes where that is safe.
        team: the processes that share the work.
        check: called after each round of batches; an exception that it raises passes through.
    """
    model.eval()
    predictions = _no_predictions(split, classes_of(model))
    batches = [split.items[i : i + batch_size] for i in range(0, len(split.items), batch_size)]
    rounds = [batches[i : i + team.size] for i in range(0, len(batches), team.size)]
    own = (r[team.rank] if team.rank < len(r) else None for r in rounds)
    loaded = (None if items is None else split.dataset.batch(items.tolist()) for items in own)
    for batch in prefetched(loaded):
        own_part = (
            None if batch is None else _predict_batch(model, batch, label_smoothing, precision)
        )
        for found in team.gather(own_part):
            if found is not None:
                _add(predictions, found)
        check()
    return predictions


def _no_predictions(split: SplitWindows, classes: Mapping[str, int]) -> Predictions:
    """Return predictions of the queries of a split to add to."""
    visual = {head: count for head, count in classes.items() if head != "audio"}
    audio = {head: count for head, count in classes.items() if head == "audio"}
    return Predictions(
        split,
        QueryScores(split.visual["query_id"], visual),
        QueryScores(split.audio["query_id"], audio),
    )


def classes_of(model: TIM) -> dict[str, int]:
    """Return the number of classes of each head of `model`."""
    heads = {"verb": "visual_verb", "noun": "visual_noun", "action": "visual_action"}
    heads["audio"] = "audio_action"
    return {
        head: model.get_submodule(f"cls_head.fc_{name}").get_parameter("bias").numel()
        for head, name in heads.items()
        if name in model.cls_head.names
    }


def on_device(batch: WindowBatch, model: TIM) -> WindowBatch:
    """Return a batch on the device of `model`, as far as the model takes it.

    A model that does not pool the cells of a feature grid takes their mean.
    """
    device = next(model.parameters()).device
    visual = batch.visual
    if visual is not None and visual.ndim == 5 and model.pool is None:
        visual = visual.mean(dim=(2, 3))  # (B, F, Dv)
    return WindowBatch(
        *(None if x is None else x.to(device) for x in batch._replace(visual=visual))  # type: ignore[arg-type]
    )


def _predict_batch(
    model: TIM, batch: WindowBatch, label_smoothing: float, precision: torch.dtype
) -> _BatchPredictions:
    moved = on_device(batch, model)
    sizes = (moved.visual_queries.shape[1], moved.audio_queries.shape[1])
    is_mixed = precision != torch.float32
    with torch.autocast(moved.times.device.type, precision, enabled=is_mixed):
        output = model(moved.visual, moved.audio, moved.times, *sizes)
    found = {h: getattr(output, h) for h in LABEL_COLUMNS}
    logits = {h: x.float() for h, x in found.items() if x is not None}  # (B, N, K)
    labels = dict(zip(LABEL_COLUMNS, slot_labels(moved), strict=True))
    losses = {
        head: functional.cross_entropy(
            x.flatten(0, 1),
            labels[head].flatten(),
            ignore_index=PADDING,
            label_smoothing=label_smoothing,
        ).item()
        for head, x in logits.items()
    }
    return _BatchPredictions(
        batch.visual_queries.numpy(),
        batch.audio_queries.numpy(),
        {head: x.cpu().numpy() for head, x in logits.items()},
        losses,
        {head: int((labels[head] != PADDING).sum()) for head in logits},
    )


def _add(predictions: Predictions, found: _BatchPredictions) -> None:
    if len(predictions.visual.query_ids):
        predictions.visual.add(found.visual_queries, found.logits)
    if len(predictions.audio.query_ids):
        predictions.audio.add(found.audio_queries, found.logits)
    for head, loss in found.losses.items():
        predictions.losses.add({head: loss}, found.views[head])
