"""Rule label_files: folders of classes, or a list -> each file's class, split and fold."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.labelling import label_files

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    label_files(
        smk.params.source,
        files_target=Path(smk.output.labels),
        classes_target=Path(smk.output.classes),
    )
