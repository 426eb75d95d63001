import os
import signal
import subprocess
import sys

import pytest

from avlib.errors import LockedError
from avlib.io import lock
from avlib.io.lock import lock_folder, locked

HOLD = """
import sys, time
from pathlib import Path
from avlib.io.lock import lock_folder
lock_folder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _released(monkeypatch):
    """Release what a test has locked, which otherwise stays until the process ends."""
    held = []
    monkeypatch.setattr(lock, "_held", held)
    yield
    for file in held:
        file.close()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_learns_who_holds_the_lock(tmp_path, holder):
    with pytest.raises(LockedError, match=rf"another run .*process {holder.pid} on "):
        lock_folder(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_killed_process_is_gone(tmp_path, holder, number):
    os.kill(holder.pid, number)
    holder.wait()
    lock_folder(tmp_path)
    assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()


def test_a_lock_of_a_block_ends_with_it(tmp_path):
    for _ in range(2):
        with locked(tmp_path), pytest.raises(LockedError):
            lock_folder(tmp_path)
    lock_folder(tmp_path)
