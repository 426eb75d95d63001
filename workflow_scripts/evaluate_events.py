"""Rule evaluate_events: predictions -> the metrics of a study of annotated events."""

from pathlib import Path

from avlib.evaluation.metrics_file import Provenance
from avlib.joblog import job_log
from avlib.tim.event_metrics import EventFiles, evaluate_events

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    evaluate_events(
        EventFiles(
            predictions=Path(smk.input.predictions),
            queries=Path(smk.input.queries),
            classes=Path(smk.input.classes),
            manifest=next(map(Path, smk.input.manifest), None),
            features={name: Path(path) for name, path in smk.params.features.items()},
            losses=Path(smk.input.losses),
            tail_classes={head: Path(path) for head, path in smk.params.tail_classes.items()},
        ),
        models=dict(zip(smk.params.models, map(Path, smk.input.models), strict=True)),
        provenance=Provenance(
            study={**smk.params.study, "split": smk.params.split},
            models={name: path and Path(path) for name, path in smk.params.backbones.items()},
            origins=smk.params.origins,
            inputs={name: Path(path) for name, path in smk.params.inputs.items()},
        ),
        target=Path(smk.output[0]),
    )
