"""Rule score_soundtracks: weights and audio images -> scores of clips and of soundtracks."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.scoring import score_soundtracks

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    score_soundtracks(
        labelled_files=Path(smk.input.labels),
        classes=Path(smk.input.classes),
        packs=[Path(path) for path in smk.input.packs],
        indices=[Path(path) for path in smk.input.indices],
        weights=Path(smk.input.model),
        fold=smk.wildcards.fold,
        space=smk.params.space,
        batch_size=smk.params.batch_size,
        device=smk.params.device,
        clip_scores_target=Path(smk.output.clip_scores),
        clip_index_target=Path(smk.output.clip_index),
        scores_target=Path(smk.output.scores),
        table_target=Path(smk.output.table),
    )
