"""Rule evaluate_ave: predictions -> the metrics of the study."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.tim.ave_metrics import evaluate_ave
from avlib.tim.evaluated_files import EvaluatedFiles

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_ave(
        EvaluatedFiles(
            predictions=Path(smk.input.predictions),
            queries=Path(smk.input.queries),
            classes=Path(smk.input.classes),
            manifest=next(map(Path, smk.input.manifest), None),
            features={name: Path(path) for name, path in smk.params.features.items()},
        ),
        models=dict(zip(smk.params.models, map(Path, smk.input.models), strict=True)),
        provenance=Provenance(
            study=smk.params.study,
            models={name: path and Path(path) for name, path in smk.params.backbones.items()},
            origins=smk.params.origins,
            inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        ),
        target=Path(smk.output[0]),
    )
