"""Rule predict_tim: models and the windows of a split -> a score for every query."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.prediction import PredictionFiles, predict_tim

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    predict_tim(
        PredictionFiles(
            queries=Path(smk.input.queries),
            windows={"test": Path(smk.input.windows)},
            intervals={"test": Path(smk.input.intervals)},
            visual=Path(smk.params.visual),
            audio=Path(smk.params.audio),
            classes=Path(smk.input.classes),
            models=dict(zip(smk.params.modalities, map(Path, smk.input.models), strict=True)),
            table=Path(smk.output.table),
            published=Path(smk.output.published),
        ),
        recipe=smk.params.recipe,
        split="test",
        device=smk.params.device,
        mixed_precision=smk.params.mixed_precision,
    )
