"""Features of whole seconds: of networks whose weights come as packages, or of no network."""

from avlib.extractors.registry import EXTRACTORS
from avlib.packages import WEIGHTS
from avlib.studies.feature_study import Checkpoints
from avlib.studies.tag_legs import IN_PLACE

# Visual and audio extractor of each.
PACKAGED_NETWORKS = ("efficientnet_lite0", "yamnet")
STATISTICS = ("picture_statistics", "sound_statistics")
OF_SECONDS = {*PACKAGED_NETWORKS, *STATISTICS}
PACKAGED_FILES = [WEIGHTS / str(EXTRACTORS[name].package) for name in PACKAGED_NETWORKS]

STATISTICS_NOTICE = (
    "no weights are there, so features are statistics of sound and pictures; `make weights` "
    "fetches networks, which tell events apart better"
)


def are_meant(checkpoints: Checkpoints) -> bool:
    """Say whether they make the features by default: installed, or one is given; no others are.

    CLAP and CLIP may be given for the tags alone.
    """
    given = {name for name, value in checkpoints if value is not None} - {"tim", *IN_PLACE.values()}
    if given - set(PACKAGED_NETWORKS):
        return False
    return bool(given) or all(path.is_file() for path in PACKAGED_FILES)
