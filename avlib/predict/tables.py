"""Files that have no events because they could not be used, and events that were found."""

from typing import NamedTuple


class LeftOut(NamedTuple):
    """A file that is left out.

    Attributes:
        path: of the file.
        status: as the manifest has it.
        message: what was found and what to do.
    """

    path: str
    status: str
    message: str


class Event(NamedTuple):
    """A found event.

    Attributes:
        start_s: onset, seconds from the start of the file.
        stop_s: offset.
        label: name of its class.
        score: probability of the class, a mean where several predictions are joined.
    """

    start_s: float
    stop_s: float
    label: str
    score: float


# Of a file by track: "events" where sound and picture have the same labels, else "actions" and
# "sounds". The events of a track follow each other and do not overlap.
Tracks = dict[str, list[Event]]
