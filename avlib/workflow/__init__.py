"""What the rules ask about the configured studies: files, settings and fingerprints.

The methods take the wildcards of a job (`study`, and others where the rule has them), so that
rules can name them as input and parameter functions.
"""

from avlib.workflow.media import MediaStages
from avlib.workflow.recognition import RecognitionStages
from avlib.workflow.soundtracks import SoundtrackStages


class Workflow(MediaStages, RecognitionStages, SoundtrackStages):
    """All questions that rules ask."""
