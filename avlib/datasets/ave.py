"""AVE (Tian et al., ECCV 2018): official annotation files to events and one-second segments.

Every video is ten seconds long and is cut into ten segments. A segment has the class of the event
that it lies in, or else `background`. The same video may carry several annotation lines, in one
split or in several; an annotation line belongs to one split.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import h5py
import pandas as pd

from avlib.errors import DataError
from avlib.io.text_tables import DELIMITERS, fields_of, find_delimiter, key_of, read_lines

VIDEO_SECONDS = 10  # length of every video
BACKGROUND = "background"
DELIMITER = "&"
_FORM = "class&video_id&quality&start&end"

Splits = Mapping[str, Sequence["Annotation"]]


@dataclass(frozen=True)
class Annotation:
    """One line of `Annotations.txt`.

    Attributes:
        number: its place among the annotations, counted from 0; split lists and ids refer to it.
        label: name of the class.
        video_id: name of the video.
        start_s: first second of the event.
        stop_s: second after the event; equal to `start_s` if the event never happens.
    """

    number: int
    label: str
    video_id: str
    start_s: int
    stop_s: int

    @property
    def event_id(self) -> str:
        """Unique name; it does not contain the video id, which may contain anything."""
        return f"ave_{self.number:04d}"


def read_annotations(path: Path) -> list[Annotation]:
    """Return the lines of `Annotations.txt`, which may have a header.

    Raises:
        DataError: naming the line, if one has another form, an event that is no whole part of the
            ten seconds, or occurs twice.
    """
    annotations: dict[tuple[str, str, int, int], Annotation] = {}
    for line, fields in _lines(path):
        if fields in annotations:
            raise DataError(f"{path}: line {line} repeats an earlier line: {'&'.join(fields[:2])}")
        annotations[fields] = Annotation(len(annotations), *fields)
    if not annotations:
        raise DataError(f"{path}: holds no annotations, expected lines {_FORM}")
    return list(annotations.values())


def read_splits(
    lists: Mapping[str, Path], annotations: Sequence[Annotation]
) -> dict[str, list[Annotation]]:
    """Return the annotations of each split, in the order of its list.

    Args:
        lists: a file for each split: lines as in `Annotations.txt` (`trainSet.txt`), with or
            without a header, or numbers of its lines (`train_order.h5`, data set `order`).
        annotations: what `read_annotations` returned.

    Raises:
        DataError: naming the file and the row, if it does not refer to an annotation, or to one
            that another row of any list has.
    """
    splits: dict[str, list[Annotation]] = {}
    taken: dict[int, Path] = {}
    for split, path in lists.items():
        is_order = path.suffix.lower() in {".h5", ".hdf5"}
        rows = _order_rows if is_order else _list_rows
        splits[split] = []
        for row, annotation in rows(path, annotations):
            if annotation.number in taken:
                raise DataError(
                    f"{path}: {row}: {annotation.label}&{annotation.video_id} is already in "
                    f"{taken[annotation.number]}; remove one of them"
                )
            taken[annotation.number] = path
            splits[split].append(annotation)
    return splits


def class_names(annotations: Sequence[Annotation]) -> list[str]:
    """Return the classes by number: in order of first appearance, and background last."""
    labels = dict.fromkeys(a.label for a in annotations)
    labels.pop(BACKGROUND, None)
    return [*labels, BACKGROUND]


def video_splits(splits: Splits) -> list[tuple[str, str]]:
    """Return each (video_id, split) once; a video may be in several splits."""
    return list(dict.fromkeys((a.video_id, split) for split in splits for a in splits[split]))


def events(splits: Splits, classes: Sequence[str]) -> pd.DataFrame:
    """Return a table of kind EVENTS, a row an annotation; those of zero length are left out."""
    rows = [
        (a.event_id, a.video_id, split, "audio_visual", a.start_s, a.stop_s, a.label)
        for split in splits
        for a in splits[split]
        if a.stop_s > a.start_s
    ]
    return _table(rows, classes)


def segments(splits: Splits, classes: Sequence[str]) -> pd.DataFrame:
    """Return a table of kind EVENTS with ten rows an annotation, one for each second."""
    rows = [
        (f"{a.event_id}_{s}", a.video_id, split, "audio_visual", s, s + 1, _label(a, s))
        for split in splits
        for a in splits[split]
        for s in range(VIDEO_SECONDS)
    ]
    return _table(rows, classes)


def _label(annotation: Annotation, second: int) -> str:
    return annotation.label if annotation.start_s <= second < annotation.stop_s else BACKGROUND


def _table(
    rows: list[tuple[str, str, str, str, int, int, str]], classes: Sequence[str]
) -> pd.DataFrame:
    names = ["event_id", "video_id", "split", "modality", "start_s", "stop_s", "label"]
    table = pd.DataFrame(rows, columns=names).astype({"start_s": "float64", "stop_s": "float64"})
    numbers = {label: number for number, label in enumerate(classes)}
    table["class_id"] = [numbers[label] for label in table["label"]]
    return table


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, str, int, int]]]:
    """Yield the number of each line of a file, from 1, and its label, video and seconds."""
    lines = read_lines(path)
    delimiter = find_delimiter(lines[0] if lines else "", (), (DELIMITER, *DELIMITERS))
    for number, line in enumerate(lines, start=1):
        where = f"{path}: line {number}"
        fields = _split(line, delimiter, where)
        is_header = number == 1 and len(fields) == 5 and key_of(fields[1]) == "videoid"
        if line.strip() and not is_header:
            yield number, _fields(fields, where)


def _split(line: str, delimiter: str, where: str) -> list[str]:
    if delimiter != DELIMITER:
        return fields_of(line, delimiter, where)
    return [normalize("NFC", field.strip()) for field in line.split(DELIMITER)]  # quotes are text


def _fields(fields: list[str], where: str) -> tuple[str, str, int, int]:
    found = "&".join(fields)[:200]
    try:
        label, video_id, _quality, start, stop = fields
        start_s, stop_s = _second(start), _second(stop)
    except ValueError:
        raise DataError(f"{where}: found {found!r}, expected {_FORM} with whole seconds") from None
    if not (label and video_id):
        raise DataError(f"{where}: found {found!r}, expected a class and a video")
    if not 0 <= start_s <= stop_s <= VIDEO_SECONDS:
        raise DataError(
            f"{where}: the event of {video_id} lasts from {start_s} to {stop_s} s, expected "
            f"0 <= start <= end <= {VIDEO_SECONDS}"
        )
    return label, video_id, start_s, stop_s


def _second(text: str) -> int:
    if not text.isascii() or "_" in text:  # which Python takes for numbers, too
        raise ValueError(text)
    return int(text)


def _list_rows(path: Path, annotations: Sequence[Annotation]) -> Iterator[tuple[str, Annotation]]:
    known = {(a.label, a.video_id, a.start_s, a.stop_s): a for a in annotations}
    labels = {a.label for a in annotations}
    for line, fields in _lines(path):
        if fields[0] not in labels:
            nearest = difflib.get_close_matches(fields[0], labels, n=1)
            hint = f", did you mean {nearest[0]!r}?" if nearest else ""
            raise DataError(f"{path}: line {line}: no annotation has the class {fields[0]!r}{hint}")
        if fields not in known:
            text = "{}&{}, {} to {} s".format(*fields)
            raise DataError(f"{path}: line {line}: no such annotation: {text}")
        yield f"line {line}", known[fields]


def _order_rows(path: Path, annotations: Sequence[Annotation]) -> Iterator[tuple[str, Annotation]]:
    try:
        with h5py.File(path) as file:
            order = _row_numbers(file["order"], len(annotations))
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: no HDF5 file with a data set 'order' ({error})") from error
    for row, number in enumerate(order):
        if number not in range(len(annotations)):
            raise DataError(
                f"{path}: row {row} is {number}, expected a line number below {len(annotations)}"
            )
        yield f"row {row}", annotations[int(number)]


def _row_numbers(order: h5py.Dataset, n_annotations: int) -> list[int]:
    """Return the numbers of a list; a list of more than there are annotations is none."""
    if not isinstance(order, h5py.Dataset) or order.ndim != 1 or order.dtype.kind not in "iuf":
        raise ValueError("'order' is no row of numbers")
    if len(order) > n_annotations:
        raise ValueError(f"{len(order)} numbers for {n_annotations} annotations")
    numbers: list[int] = order[:].tolist()
    return numbers
