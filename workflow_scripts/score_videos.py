"""Rule score_videos: frames and weights -> visual scores of every video."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.video_scores import score_videos

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    score_videos(
        events=Path(smk.input.events),
        classes=Path(smk.input.classes),
        packs=[Path(path) for path in smk.input.packs],
        rate_fps=smk.params.rate_fps,
        weights=Path(smk.input.model),
        device=smk.params.device,
        targets=ScoreFiles(Path(smk.output.scores), Path(smk.output.table)),
    )
