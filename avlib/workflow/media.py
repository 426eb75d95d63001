"""What the rules of media.smk and miniature.smk ask."""

from pathlib import Path
from typing import Any

from avlib.datasets.ave import SECONDS
from avlib.datasets.llp import LABEL_FILES
from avlib.datasets.miniature.k600 import LABEL_LIST
from avlib.media.scan import fingerprint, read_scan, shard_list
from avlib.studies.ave import Ave
from avlib.studies.base import annotation_files, is_rendered
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600, Sounds
from avlib.studies.llp import Llp
from avlib.workflow.study_files import Studies, Wildcards

VGG_SAMPLE_RATE = 44_100  # Hz of the sound that VGGish's front end resamples, as published
IMAGE_RATE = 44_100  # Hz of the sound that audio images are made of, as published


class MediaStages(Studies):
    """Videos, sound, intervals and events."""

    def video_list(self, wildcards: Wildcards) -> str:
        """Return the path of the shard's list of videos."""
        return str(shard_list(self.lists(wildcards.study), wildcards.shard))

    def fingerprint(self, wildcards: Wildcards) -> str:
        """Return a digest that changes when a video of the shard does."""
        if not self.rescan:
            return fingerprint(read_scan(Path(self.video_list(wildcards))))
        return self.scanned(wildcards.study)[int(wildcards.shard)]

    def fingerprints(self, wildcards: Wildcards) -> list[str]:
        """Return the fingerprints of all shards of the study."""
        if not self.rescan:
            lists = map(Path, self.all_video_lists(wildcards))
            return [fingerprint(read_scan(path)) for path in lists]
        return list(self.scanned(wildcards.study).values())

    def rendered_files(self, wildcards: Wildcards) -> list[str]:
        """Return what must be rendered before the videos exist."""
        study = self.section(wildcards)
        if not is_rendered(study):
            return []
        names = {Ave: "Annotations.txt", K600: LABEL_LIST, Llp: LABEL_FILES["full"]}
        return [str(self.folder(wildcards) / "miniature" / names[type(study)])]

    def annotation_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the annotation files by name: `annotations`, and a list a split."""
        files = annotation_files(self.study(wildcards), self.folder(wildcards))
        return {name: str(path) for name, path in files.items()}

    def dataset(self, wildcards: Wildcards) -> str:
        """Return the name of the annotation format."""
        study = self.study(wildcards)
        return study.annotation_format if isinstance(study, Custom) else "ave"

    def sound_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return rate, resampler and channels of the packs."""
        study = self.section(wildcards)
        if isinstance(study, K600 | Sounds):
            return {"sample_rate": IMAGE_RATE, "resampler": "ffmpeg", "channels": "own"}
        if isinstance(study, Ave) and study.features == "vgg":
            return {"sample_rate": VGG_SAMPLE_RATE, "resampler": "ffmpeg"}
        preset = self.study(wildcards).asf
        return {"sample_rate": preset.sample_rate, "resampler": preset.resampler}

    def published_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published interval tables."""
        return [
            self.existing(wildcards, f"intervals.{split}", path)
            for split, path in self.study(wildcards).intervals
            if path is not None
        ]

    def converted_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published intervals in our format, if there are any."""
        path = self.folder(wildcards) / "intervals" / "published.parquet"
        return [str(path)] if self.published_intervals(wildcards) else []

    def interval_rule(self, wildcards: Wildcards) -> dict[str, float | int | None]:
        """Return length and distance of the intervals in seconds, or how many seconds they are."""
        study = self.study(wildcards)
        if isinstance(study, Ave) and study.features == "vgg":
            return {"interval_s": 1.0, "hop_s": 1.0, "seconds": SECONDS}
        return {"interval_s": study.asf.interval_s, "hop_s": study.asf.hop_s, "seconds": None}
