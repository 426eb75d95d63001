"""Rule extract_together: the videos of a shard -> features by all visual extractors."""

from pathlib import Path

from avlib.extractors.registry import extract_side_by_side
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    extract_side_by_side(
        smk.params.extractions,
        sources=[Path(path) for path in smk.params.videos],
        manifests=[Path(path) for path in smk.input.manifests],
        intervals=[Path(path) for path in smk.input.intervals],
        indices=[Path(path) for path in smk.output],
    )
