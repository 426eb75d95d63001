"""Rule draw_event_tables: the metrics of annotated events -> a page of tables."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.event_tables import draw_event_tables

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_event_tables(Path(smk.input[0]), Path(smk.output[0]))
