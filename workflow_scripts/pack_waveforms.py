"""Rule pack_waveforms: the videos of one shard -> their sound."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    pack_waveforms(
        videos=Path(smk.params.videos),
        manifest=Path(smk.input[0]),
        settings=SoundSettings(**smk.params.sound),
        previous=Path(smk.params.previous),
        pack_target=Path(smk.output.pack),
        manifest_target=Path(smk.output.manifest),
    )
