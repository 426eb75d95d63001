"""Rule draw_variants: the scores of all variants -> a table for the report."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.variants import draw_variants

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_variants(Path(smk.input[0]), Path(smk.output[0]))
