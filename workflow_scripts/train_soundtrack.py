"""Rule train_soundtrack: labelled audio images -> weights."""

from pathlib import Path

from avlib.joblog import job_log
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.network_choice import Network
from avlib.soundtracks.recipes import SoundtrackTraining, training_recipe
from avlib.soundtracks.training import train_soundtrack
from avlib.training.event_recognition import Outputs

smk = snakemake  # type: ignore[name-defined]  # noqa: F821  (injected by Snakemake)

with job_log(Path(smk.log[0])):
    train_soundtrack(
        Labels(Path(smk.input.labels), Path(smk.input.classes), smk.wildcards.fold),
        [Path(path) for path in smk.input.packs],
        recipe=training_recipe(SoundtrackTraining(**smk.params.training)),
        network=Network(**smk.params.network),
        seed=smk.params.seed,
        device=smk.params.device,
        outputs=Outputs(
            Path(smk.params.state),
            Path(smk.output.model),
            Path(smk.output.log),
            Path(smk.output.metrics),
        ),
    )
