"""Rule render_llp: the miniature LLP."""

from pathlib import Path

from avlib.datasets.miniature.llp import render_miniature
from avlib.joblog import job_log
from avlib.studies.llp import LlpMiniature

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    render_miniature(
        Path(smk.output.train).parent,
        **LlpMiniature(**smk.params.size).as_arguments(),
        seed=smk.params.seed,
        workers=smk.threads,
    )
