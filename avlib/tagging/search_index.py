"""Index of the scores of all seconds of an archive, for queries in milliseconds.

The folder holds the bytes of seconds as `ByteColumns`: a pair of files for the videos with sound
and picture, and one for those with either, each in the order of video and second; and `index.h5`,
with the ids of the videos, where their seconds lie, and the sums of the bytes of each leg and of
their products. These give mean and deviation of any query over all seconds without reading them.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from avlib.io.atomic import atomic_folder
from avlib.io.torn import torn
from avlib.tagging.archive import LEGS, Codes, LegName, ScoredVideo
from avlib.tagging.byte_columns import ByteColumns, ColumnWriter
from avlib.tagging.scores import LOGARITHMS, MeanDeviation

FORMAT = 1
EXACT = 256  # rows whose products float32 adds without rounding: 256 * 255 ** 2 < 2 ** 24
LOWEST, STEP = float(LOGARITHMS[0]), float(LOGARITHMS[1] - LOGARITHMS[0])
TABLE = "index.h5"


class LegQuery(NamedTuple):
    """What a query means in the vocabulary of a leg.

    Attributes:
        classes: (n,) that the words mean.
        weights: (n,) of these classes, not negative.
    """

    classes: NDArray[np.int64]
    weights: NDArray[np.float64]


class _Statistics:
    """Sums of the bytes of a leg and of their products, exact."""

    def __init__(self, n_classes: int) -> None:
        self.seconds = 0
        self.sums = np.zeros(n_classes, np.int64)
        self.products = np.zeros((n_classes, n_classes), np.int64)

    def write(self, group: h5py.Group) -> None:
        """Write them into an empty group."""
        group.attrs["seconds"] = self.seconds
        group.create_dataset("sums", data=self.sums)
        group.create_dataset("products", data=self.products)

    @classmethod
    def read(cls, group: h5py.Group) -> Self:
        """Return what `write` wrote."""
        found = cls(len(group["sums"]))
        found.seconds = int(group.attrs["seconds"])
        found.sums, found.products = group["sums"][:], group["products"][:]
        return found

    def add(self, chunk: Codes) -> None:
        """Count a chunk (classes, rows)."""
        self.seconds += chunk.shape[1]
        self.sums += chunk.sum(axis=1, dtype=np.int64)
        total = np.zeros(self.products.shape)
        for first in range(0, chunk.shape[1], EXACT):
            part = chunk[:, first : first + EXACT].astype(np.float32)
            total += part @ part.T
        self.products += total.astype(np.int64)


class _Part:
    """The seconds of videos with the same legs, while they are written."""

    def __init__(self, folder: Path, n_classes: Mapping[LegName, int], files: ExitStack) -> None:
        self.n_classes = n_classes
        content, maxima = (
            files.enter_context(path.open("wb")) for path in _files(folder, tuple(n_classes))
        )
        self.writer = ColumnWriter(content, maxima, sum(n_classes.values()))
        self.runs: list[tuple[int, int]] = []  # first row and number of each video

    def add(self, number: int, scores: Mapping[LegName, Codes]) -> Iterator[Codes]:
        """Add the seconds of a video; yield chunks as the writer does."""
        self.runs.append((self.writer.n_rows, number))
        yield from self.writer.add(np.concatenate([scores[leg] for leg in self.n_classes], axis=1))


class _IndexWriter:
    """Writes the seconds of videos into a folder."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self._folder, self._files = folder, files
        self._parts: dict[tuple[LegName, ...], _Part] = {}
        self._statistics: dict[LegName, _Statistics] = {}
        self._video_ids: list[str] = []

    def add(self, video: ScoredVideo) -> None:
        """Add a video."""
        legs = tuple(leg for leg in LEGS if leg in video.scores)
        if legs and video.seconds:
            if legs not in self._parts:
                n_classes = {leg: video.scores[leg].shape[1] for leg in legs}
                self._parts[legs] = _Part(self._folder, n_classes, self._files)
            part = self._parts[legs]
            self._count(part, part.add(len(self._video_ids), video.scores))
        self._video_ids.append(video.video_id)

    def _count(self, part: _Part, chunks: Iterator[Codes]) -> None:
        for chunk in chunks:
            first = 0
            for leg, n_classes in part.n_classes.items():
                if leg not in self._statistics:
                    self._statistics[leg] = _Statistics(n_classes)
                self._statistics[leg].add(chunk[first : first + n_classes])
                first += n_classes

    def finish(self, made_from: str) -> None:
        """Write what is left, and the table."""
        for part in self._parts.values():
            self._count(part, part.writer.flush())
        names = [video_id.encode() for video_id in self._video_ids]
        with h5py.File(self._folder / TABLE, "w") as table:
            table.attrs.update(format=FORMAT, made_from=made_from)
            table.create_dataset("names", data=np.frombuffer(b"".join(names), np.uint8))
            table.create_dataset("name_ends", data=np.cumsum([0, *map(len, names)]))
            table.create_group("parts")
            for legs, part in self._parts.items():
                runs = table.create_dataset(f"parts/{'_'.join(legs)}", data=np.array(part.runs))
                runs.attrs.update(legs=list(legs), rows=part.writer.n_rows)
            for leg, found in self._statistics.items():
                found.write(table.create_group(f"legs/{leg}"))


def write_index(target: Path, videos: Iterable[ScoredVideo], made_from: str) -> None:
    """Write the index of an archive.

    Args:
        target: folder to write.
        videos: in the order of their ids; one is in memory at a time.
        made_from: digest of the archive.

    Raises:
        StorageError: if the disk has no room for it.
    """
    with atomic_folder(target) as folder, ExitStack() as files:
        writer = _IndexWriter(folder, files)
        for video in videos:
            writer.add(video)
        writer.finish(made_from)


def _files(folder: Path, legs: tuple[LegName, ...]) -> tuple[Path, Path]:
    name = "_".join(legs)
    return folder / f"{name}.bytes", folder / f"{name}.maxima"


class IndexedPart:
    """The seconds of videos with the same legs.

    Attributes:
        columns: their bytes, those of the first leg before those of the second.
        legs: the first class of each in `columns`.
    """

    def __init__(self, folder: Path, runs: h5py.Dataset, n_classes: Mapping[LegName, int]) -> None:
        legs = tuple(leg for leg in LEGS if leg in runs.attrs["legs"])
        self.legs = {leg: n_classes[legs[0]] if i else 0 for i, leg in enumerate(legs)}
        total = sum(n_classes[leg] for leg in legs)
        self.columns = ByteColumns(*_files(folder, legs), int(runs.attrs["rows"]), total)
        self._firsts, self._numbers = runs[:].T

    def place(self, row: int) -> tuple[int, int]:
        """Return the number of the video of a row, and the second of it."""
        run = int(np.searchsorted(self._firsts, row, side="right")) - 1
        return int(self._numbers[run]), row - int(self._firsts[run])


class SearchIndex:
    """A folder of `write_index`, open.

    Args:
        folder: of the index.

    Attributes:
        legs: number of classes of each.
        parts: its seconds.
        seconds: number of all.
        made_from: digest of the archive.

    Raises:
        DataError: if it is not there, damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / TABLE
        try:
            with h5py.File(path, "r") as table:
                if table.attrs["format"] != FORMAT:
                    raise ValueError(f"format {table.attrs['format']}, not {FORMAT}")
                self.made_from = str(table.attrs["made_from"])
                self._names, self._ends = table["names"][:].tobytes(), table["name_ends"][:]
                found = table.get("legs", {})
                self._statistics = {
                    leg: _Statistics.read(found[leg]) for leg in LEGS if leg in found
                }
                self.legs = {leg: len(own.sums) for leg, own in self._statistics.items()}
                runs = table["parts"].values()
                self.parts = [IndexedPart(folder, part, self.legs) for part in runs]
                self.seconds = sum(part.columns.n_rows for part in self.parts)
        except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
            raise torn(path, "index of a search", error) from error

    def video_id(self, number: int) -> str:
        """Return the id of a video."""
        return self._names[self._ends[number] : self._ends[number + 1]].decode()

    def mean_deviation(self, leg: LegName, query: LegQuery) -> MeanDeviation:
        """Return mean and deviation of a query over all seconds of a leg."""
        found, weights = self._statistics[leg], query.weights
        n = found.seconds
        # Python's integers hold the differences of large products whole.
        sums = found.sums[query.classes].astype(object)
        products = found.products[np.ix_(query.classes, query.classes)].astype(object)
        covariance = (n * products - np.outer(sums, sums)).astype(np.float64) / n**2
        mean = LOWEST * weights.sum() + STEP * float(weights @ sums.astype(np.float64)) / n
        variance = max(float(weights @ covariance @ weights), 0.0)
        return MeanDeviation(n, np.array([mean]), np.array([STEP * np.sqrt(variance)]))
