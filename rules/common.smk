"""The checked configuration, wildcards and what the rules ask about the studies, by paper."""

import re
from pathlib import Path

from avlib.datasets.captioned import KINDS, RELEVANCIES
from avlib.datasets.llp import LABEL_FILES
from avlib.datasets.splits import SPLITS
from avlib.extractors.registry import CLIP_ENCODERS, EXTRACTORS, VIDEO_EXTRACTORS
from avlib.io.provenance import code_fingerprint
from avlib.studies import load_config
from avlib.studies.feature_study import FeatureStudy
from avlib.studies.llp import Llp
from avlib.studies.retrieval_study import RetrievalStudy
from avlib.studies.soundtrack_study import SoundtrackStudy
from avlib.tim.recipes import MODELS
from avlib.valor.recipes import PARSER_RECIPES
from avlib.workflow import Workflow
from avlib.workflow.planning import guarded, one_line

with one_line():
    settings = load_config(config)

# Where a workflow imports this one with a prefix, Snakemake adds it to the paths in rules; the
# library is told it, for what it looks up, and for the caches, which are no outputs.
RESULTS = workflow.modifier.path_modifier.replace_prefix("results")

_workflow = Workflow(settings, results=Path(RESULTS), rescan=workflow.is_main_process)
files, weights, media, extractors, tim, soundtracks, valor, retrieval, tagging = (
    guarded(part, settings.studies)
    for part in (
        _workflow.files,
        _workflow.weights,
        _workflow.media,
        _workflow.extractors,
        _workflow.tim,
        _workflow.soundtracks,
        _workflow.valor,
        _workflow.retrieval,
        _workflow.tagging,
    )
)

FOLD = "[A-Za-z0-9_.-]+"
TIM_MODEL = "|".join(MODELS)
VARIANT = "|".join(map(re.escape, PARSER_RECIPES))
ENCODER = "|".join(CLIP_ENCODERS)
NETWORKS = "|".join({row.network: None for row in EXTRACTORS.values()})


wildcard_constraints:
    study="[A-Za-z0-9][A-Za-z0-9_]*",
    shard="[0-9]+",
    split="|".join(SPLITS),
    extractor="|".join(EXTRACTORS),
    modality="audio|visual",
    fold=FOLD,
    kind="|".join(VIDEO_EXTRACTORS),
    variant=VARIANT,
    relevancy="|".join(RELEVANCIES),
    model=rf"({ENCODER})(\+({ENCODER}))?",
    # The networks of a paper have the part of their name behind the slash where one is trained.
    network=f"{NETWORKS}|tim(/({TIM_MODEL}))?|soundtrack(/{FOLD})?|parser/({VARIANT})",
