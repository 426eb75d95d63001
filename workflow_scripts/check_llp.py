"""Rule check_llp: labels and given folders -> statistics and inconsistencies of the labels."""

from pathlib import Path

from avlib.datasets.llp import DENSE
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.check import check_llp

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    check_llp(
        {name: Path(smk.input[name]) for name in (*SPLITS, *DENSE)},
        features={kind: Path(path) for kind, path in smk.params.given["features"].items()},
        pseudo_labels={m: Path(path) for m, path in smk.params.given["pseudo_labels"].items()},
        skips_missing=smk.params.skips_missing,
        target=Path(smk.output[0]),
    )
