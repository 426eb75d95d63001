"""Rule score_soundtracks: weights and audio images -> scores of clips and of soundtracks."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.clips import ImageFiles
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.scoring import score_soundtracks

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    score_soundtracks(
        Labels(Path(smk.input.labels), Path(smk.input.classes), smk.wildcards.fold),
        ImageFiles(
            packs=[Path(path) for path in smk.input.packs],
            indices=[Path(path) for path in smk.input.indices],
        ),
        weights=Path(smk.input.model),
        space=smk.params.space,
        device=smk.params.device,
        clip_targets=ScoreFiles(Path(smk.output.clip_scores), Path(smk.output.clip_index)),
        targets=ScoreFiles(Path(smk.output.scores), Path(smk.output.table)),
    )
