"""The index of all feature files of a study, and a summary of how they were made."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from avlib.extractors.tables import FEATURES
from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash, weights_hash
from avlib.io.json_files import read_json
from avlib.io.metadata import load_metadata
from avlib.io.provenance import package_versions
from avlib.io.tables import read_table, write_table
from avlib.media.ffmpeg import binary, version
from avlib.media.manifest import check_bad_fraction, count_statuses
from avlib.media.tables import MANIFEST

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IndexFiles:
    """What an index of features is made of, and what is written.

    Attributes:
        shards: feature indices of the shards.
        manifest: all videos of the study.
        media_files: JSON file of `avlib.media.manifest.count_files`.
        checkpoint: weights; None for random ones.
        index: table to write.
        summary: JSON file to write.
    """

    shards: Sequence[Path]
    manifest: Path
    media_files: Path
    checkpoint: Path | None
    index: Path
    summary: Path


def index_features(
    files: IndexFiles, *, study: str, extraction: dict[str, object], max_bad_fraction: float
) -> None:
    """Join the indices of all shards, and write what went in beside counts of what came out.

    Args:
        files: what is read and written.
        study: its name.
        extraction: settings and views.
        max_bad_fraction: share of the videos that may have no features.

    Raises:
        DataError: if more of the videos have none.
    """
    shards = [read_table(path, FEATURES) for path in files.shards]
    rows = pd.concat(shards, ignore_index=True)
    rows = rows.sort_values(["split", "video_id"], ignore_index=True)
    for row in rows[rows["status"] != "ok"].itertuples():
        logger.warning("no features: %s: %s: %s", row.video_id, row.status, row.message)
    is_absent = rows["status"].isin(["no_audio", "no_frames"])  # of files of the other modality
    check_bad_fraction(rows[~is_absent], f"videos for {files.index.parent}", max_bad_fraction)
    summary = {
        "study": study,
        "counts": {
            "media_files": read_json(files.media_files),
            "videos": count_statuses(read_table(files.manifest, MANIFEST)),
            "feature_files": int((rows["status"] == "ok").sum()),
            "features": count_statuses(rows),
            "intervals": int(rows["intervals"].sum()),
            "padded_intervals": int(rows["padded_intervals"].sum()),
        },
        "extraction": extraction,
        "inputs": {"manifest": file_hash(files.manifest), "weights": _weights(files.checkpoint)},
        "versions": package_versions() | {"ffmpeg": version(binary())},
    }
    write_table(rows, files.index, FEATURES)
    write_json(files.summary, summary)


def _weights(checkpoint: Path | None) -> dict[str, object]:
    return {
        "path": str(checkpoint) if checkpoint else "untrained",
        "sha256": weights_hash(checkpoint) if checkpoint else None,
        "metadata": load_metadata(checkpoint) if checkpoint else {},
    }
