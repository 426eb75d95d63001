"""Download of the clips of a data set: whole videos with yt-dlp, cut to the annotated seconds.

Videos disappear from their sites, and sites limit the rate of requests. So a failure of one video
does not stop the others, and a ledger beside the clips has the status of each.
"""

import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, get_args
from urllib.parse import quote

from pydantic import Field, field_validator

from avlib.errors import ConfigError, DataError, no_room, out_of_room
from avlib.io.atomic import atomic_path
from avlib.media.download_ledger import LedgerRow, Status, read_ledger, write_ledger
from avlib.media.videos import is_safe_id
from avlib.progress import progress
from avlib.sections import Section, UserPath

logger = logging.getLogger(__name__)

LEDGER = "ledger.csv"
WHOLE = ".download"  # folder beside the clips for the whole video that is being fetched
FORMAT = "mp4/best"  # LLP uses mp4; some videos have no mp4 with both audio and visual stream
ID = "{video_id}"

# Error messages, mostly of YouTube. NOT_GONE overrides GONE, as in "Video unavailable. This
# content isn't available, try again later" or "... in your country".
NOT_GONE = re.compile(r"try again later|rate-limited|your country|not a bot", re.IGNORECASE)
GONE = re.compile(
    r"private video|video is private|video unavailable|no longer available|been removed"
    r"|video is (not available|unavailable)|been terminated|video does not exist"
    r"|unable to download webpage: HTTP Error (404|410)",
    re.IGNORECASE,
)
# A broken transfer is reported without its cause, as "Got error: 200 bytes read, ...".
PASSING = re.compile(
    r"try again later|rate-limited|content too short|^\[download\] got error", re.IGNORECASE
)
REFUSED = re.compile(r"not a bot", re.IGNORECASE)  # of any video
MAX_FAILURES = 10  # in a row, of the network or the site, not of a single video


NotNegative = Annotated[float, Field(ge=0)]


class Download(Section):
    """Download of the videos; clips that are already in the folder are not fetched again."""

    url: str = Field(
        f"https://www.youtube.com/watch?v={ID}", description=f"Page of a video, with {ID}"
    )
    cookies: UserPath | None = Field(
        None, description="Cookies in Netscape's format; renewed cookies are written back"
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        3, description="Further attempts if the network or the site fails"
    )
    backoff_s: NotNegative = Field(
        5.0, description="Seconds before the first retry, doubled before each further one"
    )
    pause_s: NotNegative = Field(0.0, description="Seconds between two videos")

    @field_validator("url")
    @classmethod
    def _names_the_video(cls, url: str) -> str:
        if ID not in url:
            raise ValueError(f"must contain {ID}, which is replaced with the id of a video")
        return url


def download_clips(
    videos: Sequence[tuple[str, float]],
    folder: Path,
    settings: Download,
    *,
    duration_s: float,
    key: str = "download",
) -> list[LedgerRow]:
    """Fetch the missing clips as `<folder>/<video_id>.mp4`, but those whose videos are `gone`.

    `<folder>/ledger.csv` is written after every video, so a killed run continues.

    Args:
        videos: id and start of the clip in seconds, each id once.
        folder: of the clips; created if it does not exist.
        settings: section of the configuration.
        duration_s: length of a clip in seconds.
        key: of `settings` in the configuration, for messages.

    Returns:
        ledger rows in the order of `videos`.

    Raises:
        ConfigError: if yt-dlp is not installed or the cookies cannot be read.
        DataError: if an id cannot be a file name, the ledger is damaged, MAX_FAILURES videos fail
            in a row, or there is no clip at the end.
        OSError: if the disk is full.
    """
    _check_ids([video_id for video_id, _ in videos])
    folder.mkdir(parents=True, exist_ok=True)
    ledger = read_ledger(folder / LEDGER)
    wanted = _wanted(videos, folder, ledger)
    write_ledger(folder / LEDGER, ledger.values())
    n, spans = len(videos), [(video_id, (start_s, duration_s)) for video_id, start_s in wanted]
    bar = progress(spans, "downloading", "videos", total=n, done=n - len(spans))
    with WholeVideos(folder / WHOLE, settings, key) as site:
        _fetch_all(site, bar, folder, ledger, pause_s=settings.pause_s, key=key)
    rows = [ledger[video_id] for video_id, _ in videos]
    _report(rows, folder, key)
    return rows


def _check_ids(video_ids: Iterable[str]) -> None:
    for video_id in video_ids:
        if not is_safe_id(video_id):
            raise DataError(f"{video_id!r} cannot be a file name; correct the list")


def _fetch_all(
    site: "WholeVideos",
    spans: Iterable[tuple[str, tuple[float, float]]],
    folder: Path,
    ledger: dict[str, LedgerRow],
    *,
    pause_s: float,
    key: str,
) -> None:
    """Fetch clips by video, start and length in seconds; enter each into the ledger."""
    failures = 0
    for number, (video_id, span) in enumerate(spans):
        time.sleep(pause_s if number else 0)
        earlier = ledger[video_id].attempts if video_id in ledger else 0
        row, is_general = _fetch(site, video_id, folder / f"{video_id}.mp4", span, earlier)
        ledger[video_id] = row
        write_ledger(folder / LEDGER, ledger.values())
        failures = failures + 1 if is_general else 0
        if failures == MAX_FAILURES:
            raise DataError(
                f"{folder}: {failures} videos in a row could not be fetched, the last one because "
                f"of: {row.message}; check the network and the section {key}, then start again: "
                "the run continues where it stopped"
            )


def _wanted(
    videos: Sequence[tuple[str, float]], folder: Path, ledger: dict[str, LedgerRow]
) -> list[tuple[str, float]]:
    """Return the videos to request, and enter clips that already exist into the ledger."""
    wanted = []
    for video_id, start_s in videos:
        row = ledger.get(video_id)
        if (folder / f"{video_id}.mp4").is_file():
            ledger[video_id] = LedgerRow(video_id, "downloaded", "", row.attempts if row else 0)
        elif row is None or row.status != "gone":
            wanted.append((video_id, start_s))
    return wanted


class WholeVideos:
    """Whole videos of a site, one at a time.

    Args:
        folder: folder of the current video; its content is removed first, and itself at the end.
        settings: section of the configuration.
        key: of `settings` in the configuration, for messages.

    Raises:
        ConfigError: if yt-dlp is not installed or the cookies cannot be read.
    """

    def __init__(self, folder: Path, settings: Download, key: str = "download") -> None:
        try:
            import yt_dlp  # optional, and slow to import
        except ImportError as error:
            raise ConfigError(
                "yt-dlp, which downloads the videos, is not installed; run: make env"
            ) from error
        if settings.cookies is not None and not settings.cookies.is_file():
            raise ConfigError(f"{key}.cookies: {settings.cookies} is no file; correct it")
        self.folder, self.settings = folder, settings
        options = {
            "format": FORMAT,
            "outtmpl": f"{str(folder).replace('%', '%%')}/whole.%(ext)s",
            "cookiefile": None if settings.cookies is None else str(settings.cookies),
            "noplaylist": True,
            "fragment_retries": settings.retries,
            "skip_unavailable_fragments": False,  # they would be missing in the clip
            "fixup": "never",  # the clip is re-encoded
            "quiet": True,
            "noprogress": True,
            "color": "no_color",
            "logger": _Log(),
        }
        self._site = yt_dlp.YoutubeDL(options)
        try:
            _ = self._site.cookiejar  # read before the first video
        except yt_dlp.utils.YoutubeDLError as error:
            raise ConfigError(
                f"{key}.cookies: {settings.cookies} holds no cookies ({_message(error)}); "
                "export them in Netscape's format"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self._site.close()
        except OSError as reason:  # renewed cookies are written to the given file
            logger.warning("%s is not renewed: %s", self.settings.cookies, reason)

    def fetch(self, video_id: str) -> Path:
        """Return the file of a video, which exists until the next one is fetched.

        Raises:
            Exception: any that yt-dlp raises.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        url = self.settings.url.replace(ID, quote(video_id, safe=""))
        self._site.extract_info(url)
        return next(self.folder.iterdir())


class _Log:
    """Forwards messages of yt-dlp to the job log; its errors arrive as exceptions."""

    def debug(self, message: str) -> None:
        logger.debug("yt-dlp: %s", message)

    def warning(self, message: str) -> None:
        logger.info("yt-dlp: %s", message)

    error = debug


def is_gone(message: str) -> bool:
    """Return whether a message of yt-dlp means that the video is gone for good."""
    return GONE.search(message) is not None and not NOT_GONE.search(message)


def _fetch(
    site: WholeVideos, video_id: str, target: Path, span: tuple[float, float], earlier: int
) -> tuple[LedgerRow, bool]:
    """Make one clip; return its row, and whether the network or the site is to blame for a failure.

    The row counts the attempts of earlier runs, too.
    """
    settings, attempt = site.settings, 0
    while True:
        attempt += 1
        try:
            _cut(site.fetch(video_id), target, *span)
            return LedgerRow(video_id, "downloaded", "", earlier + attempt), False
        except Exception as error:  # no error of one video may stop the others
            for number in map(no_room, _chain(error)):
                if number is not None:
                    raise out_of_room(target.parent, number) from None
            message = _message(error)
            status: Status = "gone" if is_gone(message) else "failed"
            logger.info("%s, attempt %d: %s", video_id, attempt, message)
            is_passing = status == "failed" and _is_passing(error, message)
            if attempt > settings.retries or not is_passing:
                row = LedgerRow(video_id, status, message, earlier + attempt)
                return row, is_passing or REFUSED.search(message) is not None
        time.sleep(settings.backoff_s * 2 ** (attempt - 1))


def _cut(whole: Path, target: Path, start_s: float, duration_s: float) -> None:
    from avlib.media.ffmpeg import cut_clip  # slow to import; planning reads only the section
    from avlib.media.probe import VideoInfo, probe_file

    with atomic_path(target) as partial:
        cut_clip(whole, partial, start_s=start_s, duration_s=duration_s)
        # ffmpeg exits with 0 even if the clip is empty.
        if not probe_file(VideoInfo(target.stem, str(partial), ""), partial).frames:
            raise DataError(f"the video has no frame from second {start_s:g} on")


def _message(error: Exception) -> str:
    """Return the message of an error on one line, without the additions of yt-dlp."""
    text = " ".join(str(error).split()).removeprefix("ERROR: ")
    return re.split(r" \(caused by|;? please report this issue on", text)[0] or repr(error)


def _is_passing(error: Exception, message: str) -> bool:
    """Return whether another attempt may succeed."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError

    for cause in _chain(error):
        if isinstance(cause, HTTPError):
            return bool(cause.status == 429 or cause.status >= 500)
        if isinstance(cause, TransportError):
            return True
    return PASSING.search(message) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes; yt-dlp stores them in attributes of its own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        kept: Any = getattr(error, "exc_info", None) or (None, None)
        error = kept[1] or getattr(error, "cause", None) or error.__cause__ or error.__context__


def _report(rows: Sequence[LedgerRow], folder: Path, key: str) -> None:
    """Log the number of videos of each status.

    Raises:
        DataError: if there is no clip.
    """
    counts = Counter(row.status for row in rows)
    if not counts["downloaded"]:
        raise DataError(
            f"{folder}: none of {len(rows)} videos could be fetched, the last one because of: "
            f"{rows[-1].message}; check the network and the section {key}"
        )
    logger.log(
        logging.INFO if counts["downloaded"] == len(rows) else logging.WARNING,
        "%d videos: %d downloaded, %d gone, %d failed (requested again by the next run); see %s",
        len(rows),
        *(counts[status] for status in get_args(Status)),
        folder / LEDGER,
    )
