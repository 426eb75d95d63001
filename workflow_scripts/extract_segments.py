"""Rule extract_segments: the videos of one shard and weights -> features of one kind."""

from pathlib import Path

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.registry import VIDEO_EXTRACTORS
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    VIDEO_EXTRACTORS[smk.wildcards.kind].extract_shard(
        ShardFiles(
            sources=[Path(smk.params.videos)],
            manifests=[Path(smk.input.manifest)],
            intervals=[],
            checkpoint=Path(smk.input.checkpoint),
            folder=Path(smk.params.folder),
            journal=Path(smk.params.journal),
            index=Path(smk.output[0]),
        ),
        smk.params.extraction,
        {},
    )
