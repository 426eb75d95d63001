"""Rule predict_tim: models and the windows of a split -> a score for every query."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.prediction import PredictionFiles, predict_tim

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    predict_tim(
        PredictionFiles(
            queries=Path(smk.input.queries),
            windows={smk.params.split: Path(smk.input.windows)},
            intervals={smk.params.split: Path(smk.input.intervals)},
            visual=[Path(path) for path in smk.params.features.get("visual", [])],
            audio=[Path(path) for path in smk.params.features.get("audio", [])],
            classes=Path(smk.input.classes),
            allow_fewer_views=smk.params.allow_fewer_views,
            models=dict(zip(smk.params.models, map(Path, smk.input.models), strict=True)),
            table=Path(smk.output.table),
            published=Path(smk.output.published),
            losses=Path(smk.output.losses),
            ensemble=next(map(Path, smk.input.get("ensemble", [])), None),
        ),
        recipe=smk.params.recipe,
        split=smk.params.split,
        device=smk.params.device,
        mixed_precision=smk.params.mixed_precision,
    )
