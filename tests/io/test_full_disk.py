"""Files that find no room: the error names the file and the remedy, whatever wrote it."""

import errno
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from avlib.errors import DataError, StorageError, no_room
from avlib.io.atomic import atomic_path, naming_full_disk
from avlib.joblog import job_log

WRITERS = Path(__file__).parents[1] / "full_disk.py"
SMALL_DISK = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
SMALL = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"]
# A hard link needs no room, nor is a small picture larger than the limit.
FIT = {"full": set(), "limited": {"copy.h5", "frames"}}


def can_mount(folder):
    try:
        return subprocess.run([*SMALL, folder, "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("kind", ["full", "limited"])
def test_every_writer_names_the_file_and_the_remedy(tmp_path, kind):
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    elsewhere.mkdir()
    if kind == "full" and not can_mount(disk):
        pytest.skip("this system mounts no file system for its users")
    mounted = [*SMALL, str(disk)] if kind == "full" else []
    command = [*mounted, sys.executable, str(WRITERS), str(disk), str(elsewhere), kind]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    said = json.loads(run.stdout)
    assert len(said) == 15
    reason = {"full": "no space is left on the disk", "limited": "larger than the system allows"}
    for name, (error, message, left) in said.items():
        assert left == [], name
        if name in FIT[kind]:
            assert error == "wrote"
        else:
            assert error == "StorageError", (name, message)
            assert message.startswith(f"{disk}/{name}"), name
            assert reason[kind] in message, name


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_job_without_room_ends_with_one_line(tmp_path, caplog, number):
    target = tmp_path / "x.json"
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit) as end, job_log(log), atomic_path(target):
        raise OSError(number, os.strerror(number))
    assert end.value.code == 1
    (line,) = log.read_text().splitlines()
    assert f"error: {target}: " in line
    assert line.endswith("then run the same command again")


def test_an_error_outside_of_a_writer_names_the_disks_in_question(tmp_path):
    with pytest.raises(SystemExit), job_log(tmp_path / "job.log"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert f"error: {Path.cwd()} or TMPDIR, " in (tmp_path / "job.log").read_text()


def test_a_log_without_room_is_no_error(tmp_path, capsys):
    log = tmp_path / "job.log"
    log.symlink_to("/dev/full")
    with job_log(log):
        logging.getLogger("test").info("lost")
    assert "Traceback" not in capsys.readouterr().err


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(DataError, match="torn"), atomic_path(tmp_path / "x"):
        raise DataError("torn")
    with pytest.raises(KeyError), naming_full_disk(tmp_path / "journal"):
        raise KeyError("bug")
    assert not list(tmp_path.iterdir())
    assert no_room(ValueError("28 files")) is None


def test_a_library_that_hides_the_reason_is_found_out(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with (
        pytest.raises(StorageError, match="no space"),
        naming_full_disk(tmp_path / "x.pt", tmp_path / "full"),
    ):
        torch.save({"a": torch.zeros(1 << 16)}, tmp_path / "full")
