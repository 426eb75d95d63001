"""Rule read_texts: the published tables of a benchmark, or of a subset -> texts, classes, ..."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.retrieval.annotations import write_annotations

TABLES = ("full_tables", "other_subsets")  # beside the published ones

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    write_annotations(
        smk.params.benchmark,
        {role: path for role, path in smk.input.items() if role not in TABLES},
        {name: Path(path) for name, path in smk.output.items()},
        full=dict(zip(("clips", "texts"), map(Path, smk.input.full_tables), strict=False)),
        others={path: path for path in smk.input.other_subsets},
    )
