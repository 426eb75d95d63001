"""Rule render_llp: the miniature LLP."""

from pathlib import Path

from avlib.datasets.miniature.llp import render_miniature
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    render_miniature(
        Path(smk.output.train).parent,
        **smk.params.size,
        seed=smk.params.seed,
        workers=smk.threads,
    )
