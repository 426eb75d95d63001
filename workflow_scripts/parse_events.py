"""Rule parse_events: weights of a variant and features -> predictions for the test videos."""

from pathlib import Path

from avlib.datasets.llp import DENSE
from avlib.datasets.splits import SPLITS
from avlib.joblog import job_log
from avlib.valor.prediction import parse_events
from avlib.valor.sources import parser_sources

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    parse_events(
        parser_sources(
            {name: smk.input[name] for name in (*SPLITS, *DENSE)},
            smk.params.features,
            skips_missing=smk.params.skips_missing,
        ),
        variant=smk.wildcards.variant,
        weights=Path(smk.input.model),
        device=smk.params.device,
        target=Path(smk.output[0]),
    )
