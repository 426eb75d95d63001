"""The manifest of a whole study, what became of its files, and whether enough can be used."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.json_files import read_cached_json
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST

logger = logging.getLogger(__name__)

NAMES_LISTED = 10  # of the videos of one status


def gather_manifest(
    shards: Sequence[Path],
    target: Path,
    counts_target: Path,
    *,
    passed_over: Path,
    max_bad_fraction: float,
) -> None:
    """Join the manifests of all shards, and count the files that are used and left out.

    Args:
        shards: their manifests.
        target: table to write.
        counts_target: JSON file of `count_files` to write.
        passed_over: JSON file of numbers of files by suffix, as `scan` writes it; it may be absent.
        max_bad_fraction: share of the videos that may be left out.

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
    for row in rows[(rows["status"] == "ok") & (rows["message"] != "")].itertuples():
        logger.warning("used: %s (%s): %s", row.video_id, row.path, row.message)
    found = check_bad_fraction(rows, f"videos of {target.parent.name}", max_bad_fraction)
    logger.log(logging.WARNING if len(bad) else logging.INFO, "%s: %s", found, target)
    others = read_cached_json(passed_over) or {}
    if others:
        _log_passed_over(others, target.parent.name)
    write_json(counts_target, count_files(rows, others))
    write_table(rows, target, MANIFEST)


def _log_passed_over(counts: Mapping[str, int], study: str) -> None:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    logger.warning(
        "%d files of %s are passed over (%s): no video or sound files that the study uses",
        sum(counts.values()),
        study,
        ", ".join(f"{n} {suffix}" for suffix, n in ordered),
    )


def count_files(manifest: pd.DataFrame, passed_over: Mapping[str, int]) -> dict[str, Any]:
    """Return what became of the files of a study.

    Args:
        manifest: table of kind MANIFEST.
        passed_over: numbers of other files by suffix.

    Returns:
        `found`: number of files, those passed over included; `used`: number of files that are
        used; `left_out`: by status, `count` of videos and up to NAMES_LISTED `names` of them,
        those without a file (`missing`) included; `passed_over` as given.
    """
    files = manifest[manifest["path"] != ""].drop_duplicates(["video_id", "path"])
    bad = manifest[manifest["status"] != "ok"].drop_duplicates(["video_id", "path"])
    return {
        "found": len(files) + sum(passed_over.values()),
        "used": int((files["status"] == "ok").sum()),
        "left_out": {
            str(status): {"count": len(rows), "names": list(rows["video_id"][:NAMES_LISTED])}
            for status, rows in bad.groupby("status", sort=True)
        },
        "passed_over": dict(passed_over),
    }


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
