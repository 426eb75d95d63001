"""What the rules ask about the configured studies: files, settings and fingerprints.

An object a paper, over the files of the studies. Their methods take the wildcards of a job
(`study`, and others where the rule has them), so that rules can name them as input and parameter
functions.
"""

from pathlib import Path

from avlib.studies import Config
from avlib.workflow.extractors import ExtractorFiles
from avlib.workflow.media import MediaFiles
from avlib.workflow.retrieval import RetrievalFiles
from avlib.workflow.soundtracks import SoundtrackFiles
from avlib.workflow.study_files import StudyFiles
from avlib.workflow.tagging import TaggingFiles
from avlib.workflow.tim import TimFiles
from avlib.workflow.valor import ParsingFiles
from avlib.workflow.weights import WeightsFiles


class Workflow:
    """All that rules ask, by paper.

    Args:
        config: the checked configuration.
        results: folder of all results.
        rescan: as `StudyFiles` takes it.
    """

    def __init__(self, config: Config, *, results: Path, rescan: bool) -> None:
        self.files = StudyFiles(config, results=results, rescan=rescan)
        self.weights = WeightsFiles(self.files)
        self.media = MediaFiles(self.files)
        self.extractors = ExtractorFiles(self.files, self.weights)
        self.tim = TimFiles(self.files, self.weights)
        self.soundtracks = SoundtrackFiles(self.files, self.weights)
        self.valor = ParsingFiles(self.files, self.weights)
        self.retrieval = RetrievalFiles(self.files, self.weights)
        self.tagging = TaggingFiles(self.files)
