"""Rule render_epic: the miniature EPIC-KITCHENS-100."""

from pathlib import Path

from avlib.datasets.miniature.epic import render_miniature
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    render_miniature(
        Path(smk.output[0]).parent,
        **smk.params.size,
        seed=smk.params.seed,
        workers=smk.threads,
    )
