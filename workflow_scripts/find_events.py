"""Rule find_events: scored seconds of a study -> events, seconds with labels, a summary."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.tagging.leg_files import leg_files
from avlib.tagging.recipes import Tagging
from avlib.tagging.tagging import TagFiles, tag_videos

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    tag_videos(
        TagFiles(
            folder=Path(smk.params.folder),
            manifests=[Path(path) for path in smk.input.manifests],
            passed_over=Path(smk.params.passed_over),
            sentences=Path(smk.params.sentences),
            cache=Path(smk.params.cache),
            legs=leg_files(smk.params.legs),
            events=Path(smk.output.events),
            csv=Path(smk.output.csv),
            seconds=Path(smk.output.seconds),
            summary=Path(smk.output.summary),
        ),
        Tagging(**smk.params.tagging),
        smk.params.study,
        smk.params.max_bad_fraction,
    )
