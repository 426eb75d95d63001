"""What the rule of download.smk asks: which videos of LLP, where to, and how."""

from typing import Any

from avlib.datasets.llp import LABEL_FILES
from avlib.errors import ConfigError
from avlib.workflow.study_files import Studies, Wildcards


class DownloadStages(Studies):
    """The download of LLP's videos, a step of its own before the study."""

    def download_list(self, _: Wildcards) -> str:
        """Return the list of all videos.

        Raises:
            ConfigError: if there is none.
        """
        folder = self.config.llp.labels
        if folder is None:
            raise ConfigError(f"llp.labels: the folder of {LABEL_FILES['full']} is not given")
        table = folder / LABEL_FILES["full"]
        if not table.is_file():
            raise ConfigError(f"llp.labels: {table} is no file; correct the path")
        return str(table)

    def download_folder(self, _: Wildcards) -> str:
        """Return the folder of the videos, which may not exist yet.

        Raises:
            ConfigError: if none is given.
        """
        if self.config.llp.videos is None:
            raise ConfigError("llp.videos: the folder for the downloaded videos is not given")
        return str(self.config.llp.videos)

    def download_settings(self, _: Wildcards) -> dict[str, Any]:
        """Return how they are fetched."""
        return self.config.llp.download.model_dump()
