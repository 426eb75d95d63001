"""Calls in a child process: a decoder that dies, hangs or devours memory costs one file.

FFmpeg's libraries and libsndfile parse what anybody may have written, and a fault in them ends
the process that they run in. So they run in another one than the stage. It starts once and serves
all files; a call then costs little more than sending its result.
"""

import atexit
import gc
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeAlias, TypeVar

import numpy as np

from avlib.errors import AvlibError, DataError
from avlib.joblog import join_logs, log_files
from avlib.memory import keep_freed_memory

STALL_S = 300.0  # to open a file, or between two results of it; both take seconds at most
READ_BYTES = (
    10 << 20
)  # that even a slow disk reads in a second; some files are read before a result
MEMORY_BYTES = 4 << 30  # beside what the process starts with; video in 8K needs 3 GB
FORKS = sys.platform == "linux"  # elsewhere the libraries of the system do not survive a fork
SPAWNED = "import sys; from avlib.media.isolation import serve_logged; serve_logged(*sys.argv[1:])"

_End: TypeAlias = "Connection[Any, Any]"  # of a pipe

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A child process that calls functions, one at a time, while the context lasts.

    Functions, arguments and results are sent as pickles. The first argument of a function is the
    file that it reads; errors name it.

    Args:
        forks: whether the process starts with the context as a copy of this one, which takes a
            hundredth of the time of a new interpreter. No HDF5 file and no network may be open
            then. One that replaces a dead process is a new interpreter in any case.
        stall_s: seconds without a result after which a call is given up; a large file has a second
            more for each READ_BYTES.
        memory_bytes: what a call may take.
    """

    def __init__(
        self,
        *,
        forks: bool = FORKS,
        stall_s: float = STALL_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._forks, self._stall_s, self._memory_bytes = forks, stall_s, memory_bytes
        self._process: _Forked | subprocess.Popen[bytes] | None = None
        self._connection: _End | None = None
        self._arrived = select.poll()

    def call(
        self, function: Callable[Concatenate[Path, P], T], path: Path, *args: P.args, **kw: P.kwargs
    ) -> T:
        """Return what a function returns.

        Raises:
            DataError: if the process dies, or the call takes too much time or memory.
            Exception: whatever the function raises.
        """
        self._send((function, "call", (path, *args), kw))
        _, result = self._receive(path)
        return result

    def items(
        self,
        function: Callable[Concatenate[Path, P], Generator[T, None, None]],
        path: Path,
        *args: P.args,
        **kw: P.kwargs,
    ) -> Generator[T, None, None]:
        """Yield what a function yields, which may be an item ahead; raise as `call`.

        Until this iterator is at its end or closed, the process takes no other call.
        """
        self._send((function, "items", (path, *args), kw))
        kind, item = self._receive(path)
        while kind == "item":
            try:
                yield item
            except GeneratorExit:
                self._send(None)
                with suppress(Exception):  # of items that nobody wants
                    while self._receive(path)[0] == "item":
                        pass
                raise
            kind, item = self._receive(path)

    def _send(self, message: Any) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(message)
                return
            self._stop()  # it died while it had nothing to do
        self._start(_spawn).send(message)

    def _receive(self, path: Path) -> tuple[Literal["item", "end"], Any]:
        assert self._connection is not None
        try:
            limit_s = self._limit_s(path)
            if not self._arrived.poll(1000 * limit_s):
                self._stop()
                raise DataError(f"{path}: decoding got no further in {limit_s:.3g} s")
            kind, value = _received(self._connection)
        except (EOFError, OSError) as error:
            raise DataError(f"{path}: {self._stop()}") from error
        if kind == "memory":
            raise DataError(f"{path}: decoding takes more than {self._memory_bytes / 1e9:.1f} GB")
        if kind == "error":
            raise value
        return kind, value

    def _limit_s(self, path: Path) -> float:
        try:
            return self._stall_s + path.stat().st_size // READ_BYTES
        except OSError:
            return self._stall_s

    def _start(self, start: "Callable[..., _Forked | subprocess.Popen[bytes]]") -> _End:
        ours, theirs = Pipe()
        with theirs:
            self._process = start(ours, theirs, self._memory_bytes)
        self._connection = ours
        self._arrived = select.poll()
        self._arrived.register(ours.fileno(), select.POLLIN)
        try:
            ours.recv()
        except (EOFError, OSError) as error:  # no file is to blame
            raise RuntimeError(f"no process to decode in: {self._stop()}") from error
        return ours

    def _stop(self) -> str:
        """End the process and all that it started; say what it died of, if it did before."""
        if self._process is None or self._connection is None:
            return ""
        self._connection.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)  # it may not have its own group yet
        code = self._process.wait()
        self._process = self._connection = None
        return f"the decoder {how_it_ended(code)}"

    def __enter__(self) -> Self:
        if self._forks:
            self._start(_fork)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()


@contextmanager
def lent_worker() -> Iterator[Worker]:
    """Lend a process that has nothing to do; it is kept for the next one who needs it.

    It is a new interpreter at first, so that any process may ask for one.
    """
    worker = _idle.pop() if _idle else Worker(forks=False)
    try:
        yield worker
    finally:
        _idle.append(worker)


def stop_workers() -> None:
    """End all processes that are kept."""
    while _idle:
        _idle.pop().__exit__(None, None, None)


_idle: list[Worker] = []
atexit.register(stop_workers)
os.register_at_fork(after_in_child=_idle.clear)  # they serve the other process


def how_it_ended(code: int) -> str:
    """Return what a process did in the end, by its exit status, or its signal times -1."""
    if code >= 0:
        return f"ended with exit status {code}"
    names = {number.value: number.name for number in signal.Signals}
    hint = "; the memory of the machine may not suffice" if -code == signal.SIGKILL else ""
    return f"died of {names.get(-code, f'signal {-code}')}{hint}"


class _Forked:
    """A process that was forked, as far as it is handled like one of `subprocess`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Return its exit status, or its signal times -1."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _fork(ours: _End, theirs: _End, memory_bytes: int) -> _Forked:
    with warnings.catch_warnings():
        # Python warns of the threads of libraries, which the decoders have nothing to do with.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return _Forked(pid)
    status = 1
    try:
        os.setsid()
        ours.close()
        _serve(theirs, memory_bytes)
        status = 0
    finally:
        os._exit(status)  # nothing of the other process is flushed or closed


def _spawn(_ours: _End, theirs: _End, memory_bytes: int) -> "subprocess.Popen[bytes]":
    descriptor = theirs.fileno()
    return subprocess.Popen(
        [sys.executable, "-c", SPAWNED, str(descriptor), str(memory_bytes), *log_files()],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def serve_logged(descriptor: str, memory_bytes: str, *logs: str) -> None:
    """Answer calls that come by a descriptor; log to the files of the process that calls."""
    join_logs(logs)
    _serve(Connection(int(descriptor)), int(memory_bytes))


def _serve(connection: _End, memory_bytes: int) -> None:
    _limit_memory(memory_bytes)
    gc.freeze()  # the objects of the other process are not even looked at
    keep_freed_memory()
    arrived = select.poll()
    arrived.register(connection.fileno(), select.POLLIN)
    with suppress(EOFError, OSError):  # the other process has gone
        connection.send("ready")
        while True:
            message = connection.recv()
            if message is not None:  # what stops a call may come after its end
                _deliver(connection, _answer(connection, arrived, *message))


def _answer(
    connection: _End,
    arrived: select.poll,
    function: Callable[..., Any],
    kind: Literal["call", "items"],
    args: tuple[Any, ...],
    kw: dict[str, Any],
) -> tuple[str, Any]:
    """Call a function and send its items; return the last message."""
    try:
        if kind == "call":
            return "item", function(*args, **kw)
        with closing(function(*args, **kw)) as items:
            for item in items:
                _deliver(connection, ("item", item))
                if arrived.poll(0):
                    break  # no more are wanted
    except MemoryError:
        return "memory", None
    except Exception as error:
        return "error", _sendable(error)
    return "end", None


def _deliver(connection: _End, message: tuple[str, Any]) -> None:
    """Send a message, and the content of its arrays behind it as it is: that saves copies."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    contents = [buffer.raw() for buffer in buffers]
    connection.send((pickled, [content.nbytes for content in contents]))
    for content in contents:
        while content:
            content = content[os.write(connection.fileno(), content) :]


def _received(connection: _End) -> tuple[Any, Any]:
    pickled, sizes = connection.recv()
    buffers = []
    for size in sizes:
        buffer = np.empty(size, np.uint8)
        n_read = 0
        while n_read < size:
            n_new = os.readv(connection.fileno(), [buffer.data[n_read:]])
            if not n_new:
                raise EOFError
            n_read += n_new
        buffers.append(buffer)
    kind, value = pickle.loads(pickled, buffers=buffers)
    return kind, value


def _sendable(error: Exception) -> Exception:
    if not isinstance(error, AvlibError):
        error.add_note(f"In the process of the decoder:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _limit_memory(memory_bytes: int) -> None:
    """Let allocations beyond a limit fail, where the system can do so, and write no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # no /proc, or a lower limit is there
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmData"))
        limit = 1024 * kilobytes + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
