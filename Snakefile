"""Raw videos and published annotations to audio-visual models, metrics and a report."""

import sys
from functools import partial
from pathlib import Path

from snakemake.logging import logger
from snakemake.path_modifier import PathModifier
from snakemake.utils import min_version

from avlib.io.lock import lock_folder
from avlib.report.results import closing_lines
from avlib.workflow.console import show_steps
from avlib.workflow.planning import shorten_unknown_target

min_version("9.27")

# A report shows what there is: a figure that was not drawn would end it with an error.
IS_REPORT = any(word.split("=")[0] == "--report" for word in sys.argv)

if workflow.modifier.is_main_snakefile() and workflow.output_settings.quiet:
    show_steps(logger.handlers)  # as make runs it; the log holds the rest


configfile: "config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/miniature.smk"
include: "rules/media.smk"
include: "rules/extractors.smk"
include: "rules/tim.smk"
include: "rules/soundtracks.smk"
include: "rules/valor.smk"
include: "rules/retrieval.smk"
include: "rules/tagging.smk"
include: "rules/download.smk"


if workflow.modifier.is_main_snakefile():
    logger.addFilter(
        partial(
            shorten_unknown_target, targets=[*settings.sections, "retrieval", "see"]
        )
    )


onstart:
    with one_line():
        lock_folder(files.results)
    for line in files.notices():
        logger.warning(line)


onsuccess:
    made = map(Path, sorted(workflow.dag.derived_targetfiles))
    for line in closing_lines(made, workflow.config_settings.configfiles):
        logger.info(line)


rule all:
    """All results of the studies that are configured; of the study of AVE where none is."""
    default_target: True
    input:
        lambda wildcards: (
            files.finished() + retrieval.finished
            if IS_REPORT
            else files.targets(*settings.chosen)
        ),


rule retrieval:
    """Tables 1 to 5 of the paper on retrieval by text, and the studies that they are of."""
    input:
        retrieval.targets,


# A target a study: ave, epic, perception, k600, llp, epic_mir, ego_mcq, epic_sounds_ret, custom, sounds.
for section, study in settings.sections.items():

    rule:
        name:
            section
        input:
            lambda wildcards, study=study: files.targets(study),


# What the library answers holds a prefix already.
for imported in workflow.modifier.rules:
    imported.input_modifier = PathModifier(None, None, workflow)
