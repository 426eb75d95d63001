"""LLP (Tian et al., ECCV 2020): weak labels of videos and dense labels of their seconds.

Every video is a clip of ten seconds. Its weak labels are the classes of its events, audible or
visible; videos of val and test also have dense labels of one-second segments, audio and visual.

The files are tab-separated and inconsistent in places: dense rows of zero length, of videos that
are in no split, or of classes that the weak labels lack. None of that is corrected, since published
scores use the files unchanged; `avlib.valor.check` counts and lists it.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.text_tables import match_columns, read_text_table

CLASSES = (
    "Speech",
    "Car",
    "Cheering",
    "Dog",
    "Cat",
    "Frying_(food)",
    "Basketball_bounce",
    "Fire_alarm",
    "Chainsaw",
    "Cello",
    "Banjo",
    "Singing",
    "Chicken_rooster",
    "Violin_fiddle",
    "Vacuum_cleaner",
    "Baby_laughter",
    "Accordion",
    "Lawn_mower",
    "Motorcycle",
    "Helicopter",
    "Acoustic_guitar",
    "Telephone_bell_ringing",
    "Baby_cry_infant_cry",
    "Blender",
    "Clapping",
)
SECONDS = 10  # length of every video, and number of its segments
ID_LENGTH = 11
# The id may contain underscores, the separator of the name, so its length is fixed.
FILENAME = re.compile(rf"([A-Za-z0-9_-]{{{ID_LENGTH}}})_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
LABEL_FILES = {
    "full": "AVVP_dataset_full.csv",
    "train": "AVVP_train.csv",
    "val": "AVVP_val_pd.csv",
    "test": "AVVP_test_pd.csv",
    "audio": "AVVP_eval_audio.csv",
    "visual": "AVVP_eval_visual.csv",
}
DENSE = ("audio", "visual")  # modalities with dense annotations
WEAK_COLUMNS = ("filename", "event_labels")
DENSE_COLUMNS = ("filename", "onset", "offset", "event_labels")

_NUMBERS = {name: number for number, name in enumerate(CLASSES)}


@dataclass(frozen=True)
class WeakVideo:
    """One row of a weak list.

    Attributes:
        filename: `<id>_<start second>_<stop second>`, the name of the video in dense rows.
        class_ids: numbers of its classes as listed; may contain duplicates.
    """

    filename: str
    class_ids: tuple[int, ...]

    @property
    def video_id(self) -> str:
        """The id of 11 characters, the stem of feature files."""
        return video_id_of(self.filename)


@dataclass(frozen=True)
class DenseRow:
    """One row of a dense annotation: an event of one class.

    Attributes:
        filename: name of the video, or a damaged name that matches none.
        onset: start of the event in seconds.
        offset: end of the event in seconds; the row is ignored if it is not above `onset`.
        class_id: number of the class.
    """

    filename: str
    onset: int
    offset: int
    class_id: int

    @property
    def is_empty(self) -> bool:
        """Whether the row has no length."""
        return self.offset <= self.onset


def video_id_of(filename: str) -> str:
    """Return the id of a video: the first 11 characters of its name."""
    return filename[:ID_LENGTH]


def class_id_of(name: str) -> int:
    """Return the number of a class.

    Raises:
        ValueError: if there is no such class.
    """
    if name not in _NUMBERS:
        nearest = difflib.get_close_matches(name, CLASSES, n=1)
        hint = f", did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"{name[:80]!r} is none of the {len(CLASSES)} classes of LLP{hint}")
    return _NUMBERS[name]


def class_ids_of(names: str) -> tuple[int, ...]:
    """Return the numbers of classes joined by commas without spaces, in their order.

    Raises:
        ValueError: if there is no such class.
    """
    return tuple(class_id_of(name) for name in names.split(","))


def read_videos(path: Path) -> list[WeakVideo]:
    """Return the videos of a weak list, in its order.

    Raises:
        DataError: if the file cannot be read, has other columns, or lists nothing; or naming the
            line, if a name is not that of a clip of ten seconds, an id
            occurs twice, or a class is unknown.
    """
    videos: dict[str, WeakVideo] = {}
    for where, (filename, labels) in _rows(path, WEAK_COLUMNS):
        found = FILENAME.fullmatch(filename)
        if found is None or abs(float(found[3]) - float(found[2]) - SECONDS) > 1e-6:
            raise DataError(
                f"{where}: filename is {filename[:80]!r}, expected an id of {ID_LENGTH} "
                f"characters, '_', and the seconds <start>_<start + {SECONDS}>"
            )
        if found[1] in videos:
            raise DataError(f"{where}: second video {found[1]!r}; remove one of them")
        try:
            videos[found[1]] = WeakVideo(filename, class_ids_of(labels))
        except ValueError as error:
            raise DataError(f"{where}: event_labels: {error}") from None
    if not videos:
        raise DataError(f"{path}: lists no videos")
    return list(videos.values())


def read_splits(lists: Mapping[str, Path]) -> dict[str, list[WeakVideo]]:
    """Return the videos of each split, in the order of its list.

    Args:
        lists: weak list of each split.

    Raises:
        DataError: as `read_videos`, or if two lists have a video in common.
    """
    splits: dict[str, list[WeakVideo]] = {}
    owner: dict[str, Path] = {}
    for split, path in lists.items():
        splits[split] = read_videos(path)
        for row, video in enumerate(splits[split], start=1):
            if video.video_id in owner:
                raise DataError(
                    f"{path}: row {row}: video {video.video_id!r} is already in "
                    f"{owner[video.video_id]}; a video is of one split"
                )
        owner |= {video.video_id: path for video in splits[split]}
    return splits


def read_dense(path: Path) -> list[DenseRow]:
    """Return the rows of the dense annotation of one modality, including damaged ones.

    Raises:
        DataError: if the file cannot be read or has other columns; or naming the line,
            if seconds are not integers from 0 to 10, or the class is unknown.
    """
    rows = []
    for where, (filename, onset, offset, label) in _rows(path, DENSE_COLUMNS):
        for name, text in (("onset", onset), ("offset", offset)):
            if not (text.isascii() and text.isdigit() and int(text) <= SECONDS):
                raise DataError(
                    f"{where}: {name} is {text[:80]!r}, expected a whole second from 0 to {SECONDS}"
                )
        try:
            rows.append(DenseRow(filename, int(onset), int(offset), class_id_of(label)))
        except ValueError as error:
            raise DataError(f"{where}: event_labels: {error}") from None
    return rows


def weak_labels(videos: Sequence[WeakVideo]) -> NDArray[np.uint8]:
    """Return the weak labels of N videos: (N, K) of 0 and 1."""
    labels = np.zeros((len(videos), len(CLASSES)), dtype=np.uint8)
    for row, video in zip(labels, videos, strict=True):
        row[list(video.class_ids)] = 1
    return labels


def dense_labels(filenames: Sequence[str], rows: Sequence[DenseRow]) -> NDArray[np.uint8]:
    """Return the dense labels of N videos: (N, K, T) of 0 and 1.

    Rows of other videos and rows of zero length are ignored. Rows that overlap or touch become one
    event. Audio-visual labels are the product of the arrays of both modalities.

    Args:
        filenames: N full names; ids alone are not compared.
        rows: dense annotation of one modality.
    """
    labels = np.zeros((len(filenames), len(CLASSES), SECONDS), dtype=np.uint8)
    position = {name: number for number, name in enumerate(filenames)}
    for row in rows:
        if row.filename in position:
            labels[position[row.filename], row.class_id, row.onset : row.offset] = 1
    return labels


def read_dense_labels(
    files: Mapping[str, Path], videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.uint8]]:
    """Return the dense labels of N videos by modality, `audio` and `visual`: (N, K, T) each.

    Args:
        files: dense annotation of each modality; other entries are ignored.
        videos: N videos.

    Raises:
        DataError: as `read_dense`.
    """
    names = [video.filename for video in videos]
    return {modality: dense_labels(names, read_dense(files[modality])) for modality in DENSE}


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the location of each row of a table, for messages, and its values."""
    table = read_text_table(path, columns)
    places = match_columns(table.columns, {name: () for name in columns}, path, required=columns)
    for line, values in zip(table.lines, table.rows, strict=True):
        yield f"{path}: line {line}", [values[places[name]] for name in columns]
