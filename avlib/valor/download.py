"""Stage download_llp: the clips of LLP that still exist."""

from pathlib import Path

from avlib.datasets.llp import ID_LENGTH, SECONDS, read_videos
from avlib.media.download import Download, download_clips
from avlib.media.download_ledger import write_ledger


def download_llp(
    table: Path, folder: Path, settings: Download, target: Path, key: str = "download"
) -> None:
    """Fetch the clips of a weak list and write the status of each.

    Args:
        table: weak list, such as `AVVP_dataset_full.csv`.
        folder: folder of the clips, `<video_id>.mp4`; existing clips are not fetched again.
        settings: section of the configuration.
        target: CSV file to write with the ledger rows of the videos of the list.
        key: of `settings` in the configuration, for messages.

    Raises:
        ConfigError, DataError, OSError: as `read_videos` and `download_clips`.
    """
    videos = [(v.video_id, _start_s(v.filename)) for v in read_videos(table)]
    rows = download_clips(videos, folder, settings, duration_s=float(SECONDS), key=key)
    write_ledger(target, rows)


def _start_s(filename: str) -> float:
    """Return the start of the clip: the first number after the id."""
    return float(filename[ID_LENGTH + 1 :].split("_")[0])
