"""Rule span_events: labelled videos -> one event each, from start to end."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.labelling import span_events

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    span_events(
        labelled_files=Path(smk.input.labels),
        manifest=Path(smk.input.manifest),
        target=Path(smk.output[0]),
    )
