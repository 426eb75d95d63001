"""Rule train_tim: windows and features -> weights."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tim.recipes import TimTraining
from avlib.tim.training import TrainingFiles, TrainingRun, train_tim

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_tim(
        TrainingRun(
            settings=TimTraining(**smk.params.settings, processes=smk.resources.processes),
            files=TrainingFiles(
                queries=Path(smk.input.queries),
                windows=dict(zip(smk.params.splits, map(Path, smk.input.windows), strict=True)),
                intervals=dict(zip(smk.params.splits, map(Path, smk.input.intervals), strict=True)),
                visual=[Path(path) for path in smk.params.features.get("visual", [])],
                audio=[Path(path) for path in smk.params.features.get("audio", [])],
                classes=Path(smk.input.classes),
                allow_fewer_views=smk.params.allow_fewer_views,
                initial_weights=next(map(Path, smk.input.initial), None),
                state_directory=Path(smk.params.state),
                model=Path(smk.output.model),
                log=Path(smk.output.log),
                metrics=Path(smk.output.metrics),
            ),
            model=smk.wildcards.model,
            seed=smk.params.seed,
            device=smk.params.device,
            key=smk.params.key,
        )
    )
