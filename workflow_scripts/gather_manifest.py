"""Rule gather_manifest: the videos of all shards -> one table."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.media.manifest import gather_manifest

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    gather_manifest(
        [Path(path) for path in smk.input.manifests],
        Path(smk.output.manifest),
        Path(smk.output.files),
        passed_over=Path(smk.params.passed_over),
        max_bad_fraction=smk.params.max_bad_fraction,
    )
