"""Rule draw_tables: tables 1 to 5 -> a page of the report."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.retrieval import draw_tables

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_tables(Path(smk.input[0]), Path(smk.output[0]))
