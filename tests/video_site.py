"""A site of videos on this machine, for tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from avlib.media.download import Download

OK, CUT_OFF, SILENT = 200, 0, 1  # answers; others are status codes of HTTP


class Site:
    """A site with one video under every id; answers that are due for an id come before it."""

    def __init__(self, video: bytes) -> None:
        self.video = video
        self.due: dict[str, list[int]] = {}
        self.reason: str | None = None
        self.asked: list[str] = []
        self.cookies: set[str] = set()
        self.is_silent = threading.Event()
        self.is_over = threading.Event()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        video_id = Path(request.path).stem
        self.asked.append(video_id)
        self.cookies.add(request.headers.get("Cookie", ""))
        status = self.due[video_id].pop(0) if self.due.get(video_id) else OK
        if status == SILENT:
            self.is_silent.set()
            self.is_over.wait()
        elif status in (OK, CUT_OFF):
            request.send_response(200)
            request.send_header("Content-Type", "video/mp4")
            request.send_header("Content-Length", str(len(self.video)))
            request.end_headers()
            request.wfile.write(self.video[: 200 if status == CUT_OFF else None])
        else:
            request.send_error(status, self.reason)


@contextmanager
def serving(site: Site) -> Iterator[Download]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/{{video_id}}.mp4"
        try:
            yield Download(url=url, backoff_s=0.01)
        finally:
            site.is_over.set()
            server.shutdown()
            thread.join()
