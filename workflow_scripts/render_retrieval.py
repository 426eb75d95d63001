"""Rules render_epic_mir, render_ego_mcq, render_epic_sounds_ret: a miniature of the benchmark."""

from pathlib import Path

from avlib.datasets.miniature.retrieval import render_miniature
from avlib.joblog import job_log

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    render_miniature(
        smk.params.benchmark,
        Path(smk.output[0]).parents[1],
        **smk.params.size,
        seed=smk.params.seed,
        workers=smk.threads,
    )
