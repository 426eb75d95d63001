"""Rule embed_clips: the videos of one shard, or their sound, and weights -> embeddings of clips."""

from pathlib import Path

from avlib.extractors.embedding import ClipFiles
from avlib.extractors.registry import CLIP_ENCODERS
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    CLIP_ENCODERS[smk.wildcards.network].embed_clips(
        ClipFiles(
            sources=[Path(path) for path in smk.input.packs or [smk.params.videos]],
            manifests=[Path(smk.input.manifest)],
            clips=Path(smk.input.clips),
            checkpoint=Path(smk.input.checkpoint),
            previous=Path(smk.params.previous),
            target=Path(smk.output.embeddings),
            index=Path(smk.output.index),
        ),
        smk.params.settings,
    )
