"""Rule download_llp: the list of videos -> their clips, and the status of each."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.media.download import Download
from avlib.valor.download import download_llp

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    download_llp(
        Path(smk.input[0]),
        folder=Path(smk.params.folder),
        settings=Download(**smk.params.settings),
        target=Path(smk.output[0]),
        key=smk.params.key,
    )
