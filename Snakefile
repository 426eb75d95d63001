"""Raw videos and published annotations to audio-visual models, metrics and a report."""

import sys

from snakemake.utils import min_version

from avlib.errors import LockedError
from avlib.io.lock import lock_folder

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/miniature.smk"
include: "rules/media.smk"
include: "rules/extractors.smk"
include: "rules/tim.smk"
include: "rules/soundtracks.smk"
include: "rules/valor.smk"
include: "rules/download.smk"


onstart:
    try:
        lock_folder(studies.results)
    except LockedError as error:
        sys.exit(f"error: {error}")


rule all:
    """All results of the main study."""
    default_target: True
    input:
        studies.ave_targets(),


rule k600:
    """All results of the study of Kinetics-600."""
    input:
        lambda wildcards: studies.soundtrack_targets("k600"),


rule llp:
    """All results of the study of LLP."""
    input:
        lambda wildcards: studies.llp_targets(),


rule sounds:
    """All results of the study of the user's own labelled sounds."""
    input:
        lambda wildcards: studies.soundtrack_targets(settings.sounds.name),
