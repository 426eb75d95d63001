"""Rule extract_frame_segments: the videos of one shard and weights -> features of some kinds."""

from pathlib import Path

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.registry import extract_together
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    extract_together(
        {
            kind: ShardFiles(
                sources=[Path(smk.params.videos)],
                manifests=[Path(smk.input.manifest)],
                intervals=[],
                checkpoint=Path(checkpoint),
                folder=Path(smk.params.folder, kind),
                journal=Path(journal),
                index=Path(index),
            )
            for kind, checkpoint, journal, index in zip(
                smk.params.kinds,
                smk.input.checkpoints,
                smk.params.journals,
                smk.output,
                strict=True,
            )
        },
        smk.params.extraction,
        frames=Path(smk.params.frames),
    )
