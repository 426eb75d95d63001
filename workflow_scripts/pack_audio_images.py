"""Rule pack_audio_images: the sound of one shard -> log-mel spectrograms."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.image_packs import ImageShardFiles, pack_audio_images
from avlib.soundtracks.mel import Mel

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    pack_audio_images(
        ImageShardFiles(
            manifest=Path(smk.input.manifest),
            sounds=Path(smk.input.pack),
            previous=Path(smk.params.previous),
            pack=Path(smk.output.pack),
            index=Path(smk.output.index),
        ),
        mel=Mel(**smk.params.mel),
        pads_short=smk.params.pads_short,
    )
