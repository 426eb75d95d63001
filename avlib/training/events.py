"""Labelled events as inputs of a network: random crops for training, fixed views for evaluation."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError, DataError
from avlib.seeds import generator

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

AnyEvents = TypeVar("AnyEvents", bound="LabelledEvents")


class LabelledEvents(ABC):
    """The events of one split whose video has the stream that they are recognised in.

    Places in a video are counted in ticks: audio samples, or frames.

    Args:
        events: columns event_id, video_id, start_s, stop_s and `heads`.
        lengths: ticks of each video; events of other videos, and those that begin after the end
            of theirs, are left out and counted. Others end with the video at the latest.
        rate: ticks a second.
        heads: columns with the class number, one for each classifier of the network.
        clip_ticks: length of one input of the network.
        truncates: whether seconds become ticks by cutting rather than by rounding.
    """

    def __init__(
        self,
        events: "pd.DataFrame",
        lengths: Mapping[str, int],
        *,
        rate: float,
        heads: Sequence[str],
        clip_ticks: int,
        truncates: bool = False,
    ) -> None:
        to_ticks = int if truncates else round
        starts = [to_ticks(s * rate) for s in events.start_s]
        is_usable = np.array(
            [start < lengths.get(v, 0) for v, start in zip(events.video_id, starts, strict=True)],
            dtype=bool,
        )
        self.n_left_out = int((~is_usable).sum())
        events = events[is_usable]
        self.clip_ticks = clip_ticks
        self.event_ids: list[str] = events.event_id.tolist()
        self.video_ids: list[str] = events.video_id.tolist()
        self.starts = [to_ticks(s * rate) for s in events.start_s]
        self.stops = [
            min(to_ticks(s * rate), lengths[v])
            for v, s in zip(events.video_id, events.stop_s, strict=True)
        ]
        self.labels = events[list(heads)].to_numpy(np.int64)  # (N, heads)

    def __len__(self) -> int:
        return len(self.event_ids)

    @abstractmethod
    def clip(self, index: int, first: float) -> Tensor:
        """Return the network's input that begins at a tick of an event's video."""

    @abstractmethod
    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return the input that begins at a tick of an event's video, augmented."""

    @abstractmethod
    def video_fingerprint(self, video_id: str) -> bytes:
        """Return a fingerprint of the content of a video."""

    def crop_batches(
        self, seed: int, purpose: str, epoch: int, *, batch_size: int, steps: range
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented random crops (B, ...) and their labels (B, heads).

        The events follow each other in one random order after another. Orders, crops and
        augmentations depend on the seed, `purpose` and `epoch` alone, so that a step is the same
        whichever `steps` are given.
        """
        turns = math.ceil(steps.stop * batch_size / len(self))
        orders = [generator(seed, purpose, epoch, t).permutation(len(self)) for t in range(turns)]
        row = [(turn, int(index)) for turn, order in enumerate(orders) for index in order]
        for step in steps:
            batch = row[step * batch_size : (step + 1) * batch_size]
            keys = [(seed, purpose, epoch, turn, self.event_ids[i]) for turn, i in batch]
            crops = [self.crop(i, generator(*key)) for (_, i), key in zip(batch, keys, strict=True)]
            yield torch.stack(crops), torch.from_numpy(self.labels[[i for _, i in batch]])

    def view_batches(self, views: int, batch_size: int) -> Iterator[tuple[list[int], Tensor]]:
        """Yield event numbers and inputs (B, ...) of all views of all events.

        The views of an event are spread evenly over it; all views of an event that is not longer
        than a clip are the same, and only one is given.
        """
        items = [(i, o) for i in range(len(self)) for o in self.view_offsets(i, views)]
        for first in range(0, len(items), batch_size):
            batch = items[first : first + batch_size]
            clips = [self.clip(i, self.starts[i] + offset) for i, offset in batch]
            yield [i for i, _ in batch], torch.stack(clips)

    def crop(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return the augmented input from a random part of an event."""
        first = self.starts[index] + rng.uniform(0, self._spare_ticks(index))
        return self.augmented_clip(index, first, rng)

    def view_offsets(self, index: int, views: int) -> list[float]:
        """Return where the different views of an event begin, in ticks from its start."""
        return np.unique(np.linspace(0, self._spare_ticks(index), views)).tolist()

    def fingerprint(self) -> Iterator[bytes]:
        """Yield the fingerprints of these events and of the content of their videos."""
        yield repr((self.event_ids, self.video_ids, self.starts, self.stops)).encode()
        yield self.labels.tobytes()
        yield from (self.video_fingerprint(video_id) for video_id in sorted(set(self.video_ids)))

    def _spare_ticks(self, index: int) -> int:
        """Return by how much an event is longer than a clip."""
        return max(self.stops[index] - self.starts[index] - self.clip_ticks, 0)


def classes_of_heads(
    heads: Sequence[str], classes: Mapping[str, Sequence[str]], recipe: str
) -> dict[str, Sequence[str]]:
    """Return the names of the classes of each head, in the order of the heads.

    Args:
        heads: columns with the class numbers.
        classes: names of the classes, by column; others than those of the heads may be among them.
        recipe: name for the message.

    Raises:
        ConfigError: if a head has no classes.
    """
    if not set(heads) <= set(classes):
        raise ConfigError(
            f"recipe {recipe} needs the classes of {list(heads)}, got {list(classes)}"
        )
    return {head: classes[head] for head in heads}


def events_of_heads(
    events: "pd.DataFrame", heads: Sequence[str], classes: Mapping[str, Sequence[str]], recipe: str
) -> "pd.DataFrame":
    """Return the events that are labelled in the columns of a recipe's heads.

    A data set may have others beside them, such as sounds beside actions, or unlabelled ones.

    Args:
        events: table of events.
        heads: its columns with the class numbers.
        classes: names of the classes, by column.
        recipe: name for the message.

    Raises:
        ConfigError: if a head has no classes.
        DataError: if a class number is out of range, or missing in one of the columns.
    """
    classes = classes_of_heads(heads, classes, recipe)
    events = events.dropna(subset=list(heads), how="all")
    for head, names in classes.items():
        is_right = events[head].between(0, len(names) - 1).fillna(value=False).astype(bool)
        if not is_right.all():
            row = events[~is_right].iloc[0]
            raise DataError(
                f"event {row.event_id}: {head} is {row[head]}, expected 0 to {len(names) - 1}"
            )
    return events


def split_events(
    events: "pd.DataFrame", choose: Callable[["pd.DataFrame"], AnyEvents], *, needed: str
) -> dict[str, AnyEvents]:
    """Return the usable events of each split.

    Args:
        events: table of events.
        choose: keeps those of one split that can be used.
        needed: name of the stream that the others lack, for messages.

    Raises:
        DataError: if no event of `train` is left.
    """
    splits = {split: choose(events[events.split == split]) for split in SPLITS}
    for split, part in splits.items():
        logger.info(
            "%s: %d events, %d left out without %s", split, len(part), part.n_left_out, needed
        )
    if not len(splits["train"]):
        raise DataError(
            f"no event of split train has any {needed} "
            f"({splits['train'].n_left_out} are without); check the splits and the packs"
        )
    if not len(splits["val"]):
        logger.warning(
            "no event of split val has any %s: train is also the validation split", needed
        )
    return splits


def validation_split(splits: Mapping[str, LabelledEvents]) -> str:
    """Return the split by which the best weights are selected: val, or train if it is empty."""
    return "val" if len(splits["val"]) else "train"
