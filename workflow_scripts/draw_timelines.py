"""Rule draw_timelines: predictions -> a figure of some test videos."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.timelines import draw_timelines

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_timelines(
        Path(smk.input.predictions),
        next(map(Path, smk.input.manifest), None),
        Path(smk.output[0]),
    )
