"""Rule weigh_tim: models and the windows of split val -> how they answer together."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.splits import InputFiles
from avlib.tim.weighing import weigh_models

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    weigh_models(
        dict(zip(smk.params.models, map(Path, smk.input.models), strict=True)),
        InputFiles(
            queries=Path(smk.input.queries),
            windows=dict(zip(smk.params.splits, map(Path, smk.input.windows), strict=True)),
            intervals=dict(zip(smk.params.splits, map(Path, smk.input.intervals), strict=True)),
            visual=[Path(path) for path in smk.params.features.get("visual", [])],
            audio=[Path(path) for path in smk.params.features.get("audio", [])],
            classes=Path(smk.input.classes),
            allow_fewer_views=smk.params.allow_fewer_views,
        ),
        recipe=smk.params.recipe,
        device=smk.params.device,
        target=Path(smk.output[0]),
    )
