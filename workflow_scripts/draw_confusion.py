"""Rule draw_confusion: the metrics of the study -> a figure of what is taken for what."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.confusion import draw_study_confusion

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_study_confusion(Path(smk.input[0]), Path(smk.output[0]))
