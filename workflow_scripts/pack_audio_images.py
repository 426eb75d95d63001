"""Rule pack_audio_images: the sound of one shard -> log-mel spectrograms."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.image_packs import pack_audio_images
from avlib.soundtracks.mel import Mel

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    pack_audio_images(
        manifest=Path(smk.input.manifest),
        sounds=Path(smk.input.pack),
        mel=Mel(**smk.params.mel),
        pads_short=smk.params.pads_short,
        previous=Path(smk.params.previous),
        pack_target=Path(smk.output.pack),
        index_target=Path(smk.output.index),
    )
