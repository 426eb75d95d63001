"""The ledger of a download folder: the status of each video, and the reason if it is missing."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from avlib.errors import DataError
from avlib.io.atomic import atomic_path

Status = Literal["downloaded", "gone", "failed"]


@dataclass(frozen=True)
class LedgerRow:
    """Status of one video.

    Attributes:
        video_id: id of the video.
        status: `downloaded`: the clip exists; `gone`: removed or private, not requested again;
            `failed`: requested again by the next run.
        message: why the clip is missing; empty if it exists.
        attempts: number of requests in all runs together.
    """

    video_id: str
    status: Status
    message: str
    attempts: int


COLUMNS = [field.name for field in fields(LedgerRow)]


def read_ledger(path: Path) -> dict[str, LedgerRow]:
    """Return the rows of a ledger by video id; an empty dictionary if the file does not exist.

    Raises:
        DataError: naming the row, counted from 1 and without the header, if it is no ledger.
    """
    if not path.exists():
        return {}
    remedy = "correct it, or remove the file: existing clips are not fetched again"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *table = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable table ({error}); {remedy}") from error
    if header != COLUMNS:
        raise DataError(f"{path}: the header is not {','.join(COLUMNS)}; {remedy}")
    rows = {}
    for number, values in enumerate(table, start=1):
        if (
            len(values) != len(COLUMNS)
            or values[1] not in get_args(Status)
            or not (values[3].isascii() and values[3].isdigit())
        ):
            raise DataError(
                f"{path}: row {number}: {','.join(values)!r} is not a ledger row; {remedy}"
            )
        video_id, status, message, attempts = values
        rows[video_id] = LedgerRow(video_id, status, message, int(attempts))  # type: ignore[arg-type]
    return rows


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> None:
    """Write rows as CSV, ordered by id."""
    ordered = sorted(rows, key=lambda row: row.video_id)
    with (
        atomic_path(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(astuple, ordered))
