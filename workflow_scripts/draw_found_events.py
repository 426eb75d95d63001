"""Rule draw_found_events: found events -> a picture a video, and a page with all of them."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.found_events import draw_found_events

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_found_events(Path(smk.input.events), Path(smk.input.seconds), Path(smk.output[0]))
