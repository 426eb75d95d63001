"""Rule parse_events: weights of a variant and features -> its answers for the test videos."""

from pathlib import Path

from avlib.datasets.llp import DENSE
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.stages import predict_parser, study_files, variant_recipe

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    predict_parser(
        study_files(
            {name: smk.input[name] for name in (*SPLITS, *DENSE)},
            smk.params.features,
            skips_missing=smk.params.skips_missing,
        ),
        recipe=variant_recipe(smk.wildcards.variant),
        weights=Path(smk.input.model),
        device=smk.params.device,
        target=Path(smk.output[0]),
    )
