"""What the rules of media.smk and miniature.smk ask."""

from pathlib import Path
from typing import Any

from avlib.media.scan import fingerprint, read_scan
from avlib.studies.feature_study import FeatureStudy
from avlib.workflow.study_files import StudyFiles, Wildcards


class MediaFiles:
    """Videos, waveforms, frames, intervals and events."""

    def __init__(self, files: StudyFiles) -> None:
        self.files = files
        self.video_list = files.video_list

    def fingerprint(self, wildcards: Wildcards) -> str:
        """Return a digest that changes when a video of the shard does."""
        if not self.files.rescan:
            return fingerprint(read_scan(Path(self.video_list(wildcards))))
        return self.files.scanned(wildcards.study)[int(wildcards.shard)]

    def fingerprints(self, wildcards: Wildcards) -> list[str]:
        """Return the fingerprints of all shards of the study."""
        if not self.files.rescan:
            lists = map(Path, self.files.all_video_lists(wildcards))
            return [fingerprint(read_scan(path)) for path in lists]
        return list(self.files.scanned(wildcards.study).values())

    def rendered_files(self, wildcards: Wildcards) -> list[str]:
        """Return what must be rendered before the videos exist."""
        study, place = self.files.any_study(wildcards), self.files.place(wildcards)
        return [str(path) for path in study.rendered_files(place)]

    def annotation_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the annotation files by name: `annotations`, and a list a split."""
        study = self.files.study(wildcards, FeatureStudy)
        files = study.annotation_files(self.files.place(wildcards))
        return {name: str(path) for name, path in files.items()}

    def dataset(self, wildcards: Wildcards) -> str:
        """Return the name of the annotation format."""
        return self.files.study(wildcards, FeatureStudy).dataset

    def split_seed(self, wildcards: Wildcards) -> int:
        """Return the seed of splits that the annotations do not have; 0 where they have them."""
        is_drawn = self.files.study(wildcards, FeatureStudy).draws_splits
        return self.files.config.seed if is_drawn else 0

    def audio(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return rate, resampler and channels of the packs of waveforms."""
        return self.files.any_study(wildcards).media().audio

    def frames(self, wildcards: Wildcards) -> dict[str, int]:
        """Return rate and size of the packed frames."""
        return self.files.any_study(wildcards).media().frames

    def frame_rate(self, wildcards: Wildcards) -> int:
        """Return the packed frames a second."""
        return self.files.any_study(wildcards).media().rate_fps

    def published_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published interval tables."""
        study = self.files.study(wildcards, FeatureStudy)
        return [
            study.existing_file(f"intervals.{split}", path)
            for split, path in study.intervals
            if path is not None
        ]

    def converted_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published intervals in our format, if there are any."""
        path = self.files.folder(wildcards) / "intervals" / "published.parquet"
        return [str(path)] if self.published_intervals(wildcards) else []

    def interval_rule(self, wildcards: Wildcards) -> dict[str, float | int | None]:
        """Return which intervals there are, and whether only of videos with sound."""
        study = self.files.study(wildcards, FeatureStudy)
        return study.interval_rule() | {"needs_sound": study.needs_sound}

    def looked_at(self, wildcards: Wildcards) -> str:
        """Return the manifest of the job's shard: after decoding of the sound, if it is packed."""
        packs_sound = self.files.study(wildcards, FeatureStudy).packs_sound
        stage = "audio" if packs_sound else "probe"
        return str(self.files.folder(wildcards) / stage / f"{wildcards.shard}.parquet")

    def intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of all shards of the study."""
        return self.files.shards(wildcards, "intervals/shards/{}.parquet")
