"""Rule draw_sweep: accuracy at every weight -> a figure."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.sweep import draw_sweep

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_sweep(Path(smk.input.sweep), Path(smk.input.fusion), Path(smk.output[0]))
