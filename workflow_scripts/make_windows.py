"""Rule make_windows: queries and the videos with features -> the windows of a split."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.plan import make_windows

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    make_windows(
        queries=Path(smk.input.queries),
        videos=Path(smk.input.videos),
        intervals=Path(smk.input.intervals),
        indices=[Path(path) for m in ("visual", "audio") for path in smk.input.get(m, [])],
        split=smk.wildcards.split,
        recipe=smk.params.recipe,
        target=Path(smk.output[0]),
    )
