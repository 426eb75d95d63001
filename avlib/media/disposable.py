"""Frames of H.264 that are passed over: nobody wants them, and no other frame needs them.

Source: ITU-T H.264, 7.4.1: slices of such pictures have nal_ref_idc 0. Packets are those of mp4 and
Matroska, in which a length stands before each unit.
"""

import heapq
from collections.abc import Container, Iterator

import av
from av.packet import Packet
from av.video.stream import VideoStream

SLICES = {1, 2, 3, 4, 5}  # nal_unit_type of parts of a picture


class PassedFrames:
    """The frames of a video of constant rate that are passed over.

    Args:
        stream: of the frames; nothing is passed over in other codecs and forms.
        rate: frames a second.
        count: number of frames; the last ones are always decoded.
        wanted: their numbers; those beside them are decoded, too.
    """

    def __init__(
        self, stream: VideoStream, rate: float, count: int, wanted: Container[int]
    ) -> None:
        header = stream.codec_context.extradata or b""
        is_known = stream.codec_context.name == "h264" and len(header) > 6 and header[0] == 1
        self._length_bytes = (header[4] & 3) + 1 if is_known else 0
        self._rate, self._count, self._wanted = rate, count, wanted
        self._tick_s = float(stream.time_base or 0)
        self._start: int | None = None  # ticks of the first frame
        self._ticks: list[int] = []  # heap of the frames that are passed over

    def passes(self, packet: "Packet[VideoStream]") -> bool:
        """Return whether to pass over a packet; if so, note it."""
        if not self._length_bytes or self._start is None or packet.pts is None:
            return False
        number = round((packet.pts - self._start) * self._tick_s * self._rate)
        if number < 0 or number + 2 >= self._count or packet.is_discard:
            return False
        if any(n in self._wanted for n in (number - 1, number, number + 1)):
            return False
        if not self._is_disposable(packet):
            return False
        heapq.heappush(self._ticks, packet.pts)
        return True

    def times_before(self, frame: av.VideoFrame) -> Iterator[float]:
        """Yield the times of the frames passed over that come before a decoded one."""
        if frame.pts is None:
            return
        if self._start is None:
            self._start = frame.pts
        while self._ticks and self._ticks[0] < frame.pts:
            yield heapq.heappop(self._ticks) * self._tick_s

    def _is_disposable(self, packet: "Packet[VideoStream]") -> bool:
        """Return whether no other picture refers to that of a packet."""
        content, place, n_slices = memoryview(packet), 0, 0
        while place + self._length_bytes < len(content):
            unit_at = place + self._length_bytes
            unit = content[unit_at]
            if unit & 31 in SLICES:
                if unit >> 5 & 3:
                    return False
                n_slices += 1
            place = unit_at + int.from_bytes(content[place:unit_at], "big")
        return n_slices > 0 and place == len(content)
