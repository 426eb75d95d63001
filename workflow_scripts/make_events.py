"""Rule make_events: annotation files -> one table of events."""

from pathlib import Path

from avlib.datasets.events import make_events
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    make_events(
        smk.params.dataset,
        {name: Path(path) for name, path in smk.input.items()},
        Path(smk.output.events),
        Path(smk.output.classes),
        smk.params.seed,
    )
