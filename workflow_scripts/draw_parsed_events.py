"""Rule draw_parsed_events: the predictions of a variant -> a figure of some test videos."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.report.parsed_events import draw_parsed_events

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    draw_parsed_events(
        predictions=Path(smk.input.predictions),
        videos=Path(smk.input.test),
        audio=Path(smk.input.audio),
        visual=Path(smk.input.visual),
        threshold=smk.params.threshold,
        variant=smk.wildcards.variant,
        target=Path(smk.output[0]),
    )
