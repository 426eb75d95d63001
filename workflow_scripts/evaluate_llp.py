"""Rule evaluate_llp: predictions of a variant and dense labels -> events and metrics."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.valor.evaluation import evaluate_llp
from avlib.valor.recipes import ParserEvaluation

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_llp(
        {name: Path(smk.input[name]) for name in ("test", "audio", "visual", "predictions")},
        provenance=Provenance(
            study={**smk.params.study, "variant": smk.wildcards.variant},
            models={
                "parser": Path(smk.input.model),
                **{name: Path(path) for name, path in smk.params.networks.items()},
            },
            origins=smk.params.origins,
        ),
        evaluation=ParserEvaluation(**smk.params.evaluation),
        status={name: list(map(Path, paths)) for name, paths in smk.params.status.items()},
        events_target=Path(smk.output.events),
        target=Path(smk.output.metrics),
    )
