"""Archives: scores and embeddings of every second of a study's videos, on disk.

A study has one pack a shard, `seconds/<shard>.h5`, with one row a second, video after video:

    video_id, seconds, key   (V,) names, numbers of rows, digests of what they were made from
    <leg>/is_there           (V,) whether the video has this leg; if not, its rows are zeros
    <leg>/classes            (K,) names, in the order of the scores
    <leg>/scores             (rows, K) uint8, bytes of `avlib.tagging.scores.encoded`
    <leg>/embedding          (rows, D) float16

Legs are `sound` and `picture`. The attributes of a leg say which network it is, the SHA-256 of its
weights, and the scale of its cosines with texts if it takes any; that of a pack, how many shards
the study has.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.torn import torn

LegName = Literal["sound", "picture"]
LEGS: tuple[LegName, ...] = ("sound", "picture")
ROWS_AT_ONCE = 4096  # that are read together, unless one video has more

Codes = NDArray[np.uint8]
Vectors = NDArray[np.float16]


@dataclass(frozen=True)
class Leg:
    """What the scores of a leg are.

    Attributes:
        network: name of its extractor.
        weights: SHA-256 of the file of its weights.
        classes: (K,) names.
        channels: of its embeddings.
        scale: of the cosines of embeddings and texts, whose softmax the network was trained with;
            0 where it takes no texts.
    """

    network: str
    weights: str
    classes: tuple[str, ...]
    channels: int
    scale: float = 0.0

    @property
    def takes_texts(self) -> bool:
        """Whether seconds are found by the cosine of their embedding and a text's."""
        return self.scale > 0


class ScoredVideo(NamedTuple):
    """A video of an archive.

    Attributes:
        video_id: its name.
        first: row of its first second.
        seconds: number of its rows.
        scores: (seconds, K) bytes of each leg that it has.
    """

    video_id: str
    first: int
    seconds: int
    scores: Mapping[LegName, Codes]


class Archive:
    """The seconds of a study, read a part at a time; rows are counted over all packs.

    Args:
        folder: of the study's results.

    Attributes:
        video_ids: (V,) by shard, and by id within one.
        seconds: (V,) number of rows of each video.
        firsts: (V,) row of the first second of each video.
        legs: what was scored.
        is_there: (V,) of each leg, whether a video has it.

    Raises:
        DataError: if the study has no packs, or they do not belong together.
    """

    def __init__(self, folder: Path) -> None:
        with ExitStack() as stack:
            self._packs = [stack.enter_context(_opened(path)) for path in _pack_paths(folder)]
            try:
                self._read_videos()
            except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
                raise torn(folder / "seconds", "archive of seconds", error) from error
            self._files = stack.pop_all()

    def _read_videos(self) -> None:
        self.legs = {leg: _read_leg(self._packs[0], leg) for leg in LEGS}
        for pack in self._packs[1:]:
            if {leg: _read_leg(pack, leg) for leg in LEGS} != self.legs:
                raise DataError(
                    f"{pack.filename}: scored by other weights than the packs beside it; "
                    "run the study again"
                )
        self.video_ids = [text for pack in self._packs for text in texts(pack["video_id"])]
        self.is_there: dict[LegName, NDArray[np.bool_]] = {
            leg: np.concatenate([pack[leg]["is_there"][:] for pack in self._packs]) for leg in LEGS
        }
        counts = [pack["seconds"][:] for pack in self._packs]
        self._pack_ends = np.cumsum([0, *(int(count.sum()) for count in counts)])
        self.seconds: NDArray[np.int64] = np.concatenate(counts)
        self.firsts: NDArray[np.int64] = np.cumsum(self.seconds) - self.seconds

    def __len__(self) -> int:
        """Return the number of seconds."""
        return int(self.seconds.sum())

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Number of each video by its id."""
        return {video_id: number for number, video_id in enumerate(self.video_ids)}

    def has_leg(self, leg: LegName) -> NDArray[np.bool_]:
        """Return (N,) whether the video of each row has a leg."""
        return np.repeat(self.is_there[leg], self.seconds)

    def scores(self, leg: LegName, first: int, last: int) -> Codes:
        """Return rows [first, last) of a leg's scores, (rows, K) bytes; zeros where it has none."""
        return self._rows(leg, "scores", first, last)

    def embeddings(self, leg: LegName, first: int, last: int) -> Vectors:
        """Return rows [first, last) of a leg's embeddings, (rows, channels)."""
        return self._rows(leg, "embedding", first, last)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield successive ranges of rows, of ROWS_AT_ONCE or less."""
        for first in range(0, len(self), ROWS_AT_ONCE):
            yield first, min(first + ROWS_AT_ONCE, len(self))

    def videos(self) -> Iterator[ScoredVideo]:
        """Yield every video with its scores, by id; those of few are in memory at a time."""
        ends = np.searchsorted(self.firsts, self._pack_ends)
        parts = (self._videos_of(*span) for span in pairwise(ends.tolist()))
        yield from merge(*parts, key=lambda video: video.video_id)

    def _videos_of(self, number: int, end: int) -> Iterator[ScoredVideo]:
        """Yield videos [number, end), of one pack and by id."""
        ends, rows_at_once = self.firsts + self.seconds, max(1, ROWS_AT_ONCE // len(self._packs))
        while number < end:
            first = int(self.firsts[number])
            stop = int(np.searchsorted(ends[:end], first + rows_at_once, side="right"))
            stop = max(stop, number + 1)
            read = {leg: self.scores(leg, first, int(ends[stop - 1])) for leg in LEGS}
            for video in range(number, stop):
                rows = slice(int(self.firsts[video]) - first, int(ends[video]) - first)
                scores = {leg: read[leg][rows] for leg in LEGS if self.is_there[leg][video]}
                place = int(self.firsts[video]), int(self.seconds[video])
                yield ScoredVideo(self.video_ids[video], *place, scores)
            number = stop

    def _rows(self, leg: LegName, name: str, first: int, last: int) -> NDArray[Any]:
        parts = []
        for pack, start, end in zip(
            self._packs, self._pack_ends[:-1].tolist(), self._pack_ends[1:].tolist(), strict=True
        ):
            lowest, highest = max(first, start), min(last, end)
            if lowest < highest:
                try:
                    parts.append(pack[leg][name][lowest - start : highest - start])
                except (OSError, RuntimeError, LookupError) as error:
                    raise torn(Path(pack.filename), "pack of seconds", error) from error
        if not parts:
            dataset = self._packs[0][leg][name]
            return np.zeros((0, *dataset.shape[1:]), dataset.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """Close all files."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_scored(folder: Path) -> bool:
    """Say whether the seconds of a study have scores."""
    return _first_pack(folder).is_file()


def _first_pack(folder: Path) -> Path:
    return folder / "seconds" / "0.h5"


def _pack_paths(folder: Path) -> list[Path]:
    """Return the packs of a study, as many as the first one says that there are."""
    first = _first_pack(folder)
    if not first.is_file():
        raise DataError(
            f"{folder}: its seconds have no scores; run make see VIDEOS=FOLDER, or for another "
            f"study .venv/bin/snakemake --cores 2 {folder}/seconds/0.h5, 1.h5 and so on, a file a "
            "shard"
        )
    with _opened(first) as pack:
        shards = int(pack.attrs["shards"])
    paths = [first.with_name(f"{shard}.h5") for shard in range(shards)]
    if missing := [path for path in paths if not path.is_file()]:
        raise DataError(f"{missing[0]}: this pack of seconds is missing; run the study again")
    return paths


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise torn(path, "pack of seconds", error) from error


def _read_leg(pack: h5py.File, leg: LegName) -> Leg:
    group = pack[leg]
    return Leg(
        str(group.attrs["network"]),
        str(group.attrs["weights"]),
        tuple(texts(group["classes"])),
        int(group["embedding"].shape[1]),
        float(group.attrs.get("scale", 0.0)),
    )


def texts(dataset: Any) -> list[str]:
    """Return the texts of a data set."""
    return [bytes(item).decode("utf-8") for item in dataset[:]]
