"""Rule evaluate_llp: a variant's answers and the dense labels -> events and metrics."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.valor.evaluation import ParsingModels, evaluate_llp

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_llp(
        study={**smk.params.study, "variant": smk.wildcards.variant},
        labels={name: Path(smk.input[name]) for name in ("test", "audio", "visual")},
        predictions=Path(smk.input.predictions),
        **smk.params.evaluation,
        models=ParsingModels(
            weights={
                "parser": Path(smk.input.model),
                **{name: Path(path) for name, path in smk.params.networks.items()},
            },
            origins=smk.params.origins,
        ),
        manifest=next(map(Path, smk.input.manifest), None),
        indices={
            source["kind"]: [Path(path) for path in source["indices"]]
            for source in smk.params.features.values()
            if source["indices"]
        },
        events_target=Path(smk.output.events),
        target=Path(smk.output.metrics),
    )
