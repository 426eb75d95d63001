"""The checked configuration, wildcards and what the rules ask about the studies."""

from pathlib import Path

from avlib.studies import load_config
from avlib.studies.ave import Ave
from avlib.datasets.splits import SPLITS
from avlib.studies.llp import Llp
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600, Sounds
from avlib.datasets.llp import LABEL_FILES
from avlib.extractors.registry import EXTRACTORS, VIDEO_EXTRACTORS
from avlib.io.provenance import code_fingerprint
from avlib.workflow import Workflow

settings = load_config(config)
studies = Workflow(settings, results=Path("results"), rescan=workflow.is_main_process)


wildcard_constraints:
    study="[A-Za-z0-9][A-Za-z0-9_]*",
    shard="[0-9]+",
    split="|".join(SPLITS),
    extractor="|".join(EXTRACTORS),
    modality="audio_visual|audio|visual",
    fold="[A-Za-z0-9_.-]+",
    kind="|".join(VIDEO_EXTRACTORS),
    variant=r"han|valor\+{0,2}",
    network=(
        f"{'|'.join(EXTRACTORS)}|tim/(audio_visual|audio|visual)"
        r"|soundtrack/[A-Za-z0-9_.-]+|parser/(han|valor\+{0,2})"
    ),
