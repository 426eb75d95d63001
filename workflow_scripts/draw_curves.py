"""Rule draw_curves: the log of a training -> a figure."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.curves import draw_curves

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_curves(
        Path(smk.input[0]),
        Path(smk.output[0]),
        study=smk.wildcards.study,
        network=smk.wildcards.network,
    )
