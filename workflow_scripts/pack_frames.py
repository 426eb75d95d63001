"""Rule pack_frames: the videos of one shard -> small frames to train on."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.media.frame_packs import FramePackSettings, pack_frames

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    pack_frames(
        videos=Path(smk.params.videos),
        manifest=Path(smk.input[0]),
        settings=FramePackSettings(**smk.params.frames),
        previous=Path(smk.params.previous),
        pack_target=Path(smk.output[0]),
    )
