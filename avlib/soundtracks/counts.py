"""Counts of a study's labelled files by status, and which files are left out and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.evaluation.metrics_file import videos_left_out
from avlib.io.tables import read_table
from avlib.media.manifest import count_statuses
from avlib.media.tables import MANIFEST
from avlib.soundtracks.tables import AUDIO_IMAGES


@dataclass(frozen=True)
class MadeImages:
    """What became of the labelled files of a study.

    Attributes:
        manifest: table of kind MANIFEST.
        indices: tables of kind AUDIO_IMAGES.
    """

    manifest: Path
    indices: Sequence[Path]

    def counts(
        self, test_ids: Collection[str], without_scores: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the counts of the files for the metrics file of the study.

        Args:
            test_ids: names of the files that are evaluated in some fold, or would be.
            without_scores: those of them that have sound, but no visual scores.

        Returns:
            `videos` and `test_videos` by the status of the manifest; `audio_images` by that of the
            images; and `videos_left_out`, each file once, by the first stage that leaves it out.
        """
        videos = read_table(self.manifest, MANIFEST)
        indices = [read_table(path, AUDIO_IMAGES) for path in self.indices]
        index = pd.concat(indices, ignore_index=True)
        # The table of images repeats the status that the manifest has for a file.
        probed = set(videos["video_id"][videos["status"] != "ok"])
        tables = {"probe": videos, "audio images": index[~index["video_id"].isin(probed)]}
        if without_scores:
            tables["visual scores"] = pd.DataFrame({"video_id": sorted(without_scores)}).assign(
                split="test", status="no_scores", message="the video has no visual scores"
            )
        return {
            "videos": count_statuses(videos),
            "test_videos": count_statuses(videos[videos["video_id"].isin(test_ids)]),
            "audio_images": count_statuses(index),
            "videos_left_out": videos_left_out(tables),
        }
