"""The download of LLP's videos, as far as they still exist."""

from pathlib import Path

from avlib.datasets.llp import ID_LENGTH, SECONDS, read_videos
from avlib.media.download import DownloadSettings, download_clips
from avlib.media.download_ledger import write_ledger


def download_llp(table: Path, folder: Path, settings: DownloadSettings, target: Path) -> None:
    """Fetch the clips that a weak list names, and write what became of each.

    Args:
        table: weak list, such as `AVVP_dataset_full.csv`.
        folder: of the clips, `<video_id>.mp4`; those that are there are left alone.
        settings: how they are fetched.
        target: the rows of the folder's ledger for the videos of the list, as CSV.

    Raises:
        ConfigError, DataError, OSError: as `read_videos` and `download_clips`.
    """
    videos = [(v.video_id, _start_s(v.filename)) for v in read_videos(table)]
    write_ledger(target, download_clips(videos, folder, settings, duration_s=float(SECONDS)))


def _start_s(filename: str) -> float:
    """Return the first number behind the id, where the clip begins."""
    return float(filename[ID_LENGTH + 1 :].split("_")[0])
