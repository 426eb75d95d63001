"""The manifest of a whole study, and whether enough of it can be used."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from avlib.errors import DataError
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST

logger = logging.getLogger(__name__)


def gather_manifest(shards: Sequence[Path], target: Path, *, max_bad_fraction: float) -> None:
    """Join the manifests of all shards, and say which videos are left out and why.

    Raises:
        DataError: if there are no videos, or more than `max_bad_fraction` are left out.
    """
    rows = pd.concat([read_table(path, MANIFEST) for path in shards], ignore_index=True)
    rows = rows.sort_values(["video_id", "split", "path"], ignore_index=True)
    if rows.empty:
        raise DataError(f"{target.parent.name}: no videos; check the study's paths")
    bad = rows[rows["status"] != "ok"]
    for row in bad.itertuples():
        logger.info("left out: %s (%s): %s: %s", row.video_id, row.path, row.status, row.message)
    found = check_bad_fraction(rows, f"videos of {target.parent.name}", max_bad_fraction)
    logger.log(logging.WARNING if len(bad) else logging.INFO, "%s: %s", found, target)
    write_table(rows, target, MANIFEST)


def check_bad_fraction(rows: pd.DataFrame, what: str, max_bad_fraction: float) -> str:
    """Return, as a sentence, how many rows have another status than ok.

    Raises:
        DataError: if they are more than `max_bad_fraction` of all.
    """
    n_bad = int((rows["status"] != "ok").sum())
    counts = ", ".join(f"{n} {status}" for status, n in count_statuses(rows).items())
    found = f"{n_bad} of {len(rows)} {what} are left out ({counts})"
    if n_bad > max_bad_fraction * len(rows):
        raise DataError(f"{found}, more than max_bad_fraction: {max_bad_fraction:g}")
    return found


def count_statuses(manifest: pd.DataFrame) -> dict[str, int]:
    """Return the number of videos of each status, the most frequent first."""
    return {str(status): int(n) for status, n in manifest["status"].value_counts().items()}
