"""Rule make_queries: annotation files -> the queries of TIM and their videos."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.queries import make_queries

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    make_queries(
        smk.params.dataset,
        {name: Path(path) for name, path in smk.params.files.items()},
        Path(smk.output.queries),
        Path(smk.output.videos),
        manifest=next(map(Path, smk.input.manifest), None),
        seed=smk.params.seed,
    )
