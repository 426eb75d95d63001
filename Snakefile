"""Raw videos and published annotations to audio-visual models, metrics and a report."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/miniature.smk"
include: "rules/media.smk"
include: "rules/features.smk"
include: "rules/recognition.smk"


rule all:
    """All results of the main study."""
    default_target: True
    input:
        studies.targets("ave"),
