"""Rule extract_features: videos or their sound, intervals and weights -> features of one shard."""

from pathlib import Path

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.registry import EXTRACTORS
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    getattr(EXTRACTORS[smk.wildcards.extractor], smk.params.method)(
        ShardFiles(
            sources=[Path(path) for path in smk.input.packs or smk.params.videos],
            manifests=[Path(path) for path in smk.input.manifests],
            intervals=[Path(path) for path in smk.input.intervals],
            checkpoint=next(map(Path, smk.input.checkpoint), None),
            folder=Path(smk.params.folder),
            journal=Path(smk.params.journal),
            index=Path(smk.output[0]),
        ),
        smk.params.extraction["settings"],
        smk.params.extraction["views"],
    )
