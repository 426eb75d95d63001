"""What the rules ask about the configured studies: files, settings and fingerprints.

The methods take the wildcards of a job (`study`, and others where the rule has them), so that
rules can name them as input and parameter functions.
"""

from avlib.workflow.media import MediaStages
from avlib.workflow.soundtracks import SoundtrackStages
from avlib.workflow.tim import RecognitionStages
from avlib.workflow.valor import ParsingStages
from avlib.workflow.valor_download import DownloadStages


class Workflow(MediaStages, RecognitionStages, SoundtrackStages, ParsingStages, DownloadStages):
    """All questions that rules ask."""
