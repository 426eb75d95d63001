"""What the rules ask about the configured studies: files, settings and fingerprints.

The methods take the wildcards of a job (`study`, and others where the rule has them), so that
rules can name them as input and parameter functions.
"""

from avlib.workflow.download import DownloadStages
from avlib.workflow.llp import ParsingStages
from avlib.workflow.media import MediaStages
from avlib.workflow.recognition import RecognitionStages
from avlib.workflow.soundtracks import SoundtrackStages


class Workflow(MediaStages, RecognitionStages, SoundtrackStages, ParsingStages, DownloadStages):
    """All questions that rules ask."""
