import faulthandler
import os
import signal
import subprocess
import time
from contextlib import closing

import pytest

from avlib.errors import DataError
from avlib.media.isolation import FORKS, Worker

STARTS = [False, True] if FORKS else [False]


def size(path):
    return path.stat().st_size


def numbers(path, n):
    for number in range(n):
        yield number, str(path)


def die(path, number):
    faulthandler.disable()  # pytest has it print
    os.kill(os.getpid(), number)


def die_after_one(path):
    yield 1
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGABRT)


def hang(path):
    subprocess.run(["sh", "-c", 'sleep 2.5; touch "$0"', path.with_name("late")], check=True)


def devour(path, n_bytes):
    return len(bytes(n_bytes))


def fail(path, error):
    raise error


def process(path):
    return os.getpid()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(7))
    return path


@pytest.mark.parametrize("forks", STARTS)
def test_results_are_those_of_the_functions(path, forks):
    with Worker(forks=forks) as worker:
        assert worker.call(size, path) == 7
        assert list(worker.items(numbers, path, n=3)) == [(n, str(path)) for n in range(3)]
        assert worker.call(process, path) == worker.call(process, path) != os.getpid()


@pytest.mark.parametrize("forks", STARTS)
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_death_costs_one_call_and_names_file_and_signal(path, forks, name):
    with Worker(forks=forks) as worker:
        with pytest.raises(DataError, match=rf"a\.mp4: the decoder died of {name}"):
            worker.call(die, path, getattr(signal, name))
        assert worker.call(size, path) == 7


def test_a_death_amid_items_comes_after_them(path):
    with Worker() as worker:
        items = worker.items(die_after_one, path)
        assert next(items) == 1
        with pytest.raises(DataError, match="died of SIGABRT"):
            next(items)
        assert worker.call(size, path) == 7


def test_what_hangs_is_ended_with_all_that_it_started(path):
    with Worker(stall_s=1.5) as worker:
        with pytest.raises(DataError, match=r"a\.mp4: decoding got no further in 1\.5 s"):
            worker.call(hang, path)
        time.sleep(1.5)
        assert not path.with_name("late").exists()
        assert worker.call(size, path) == 7


@pytest.mark.skipif(not FORKS, reason="the system does not limit the memory of a process")
@pytest.mark.parametrize("forks", STARTS)
def test_memory_has_a_limit(path, forks):
    with Worker(memory_bytes=100 << 20, forks=forks) as worker:
        with pytest.raises(DataError, match=r"a\.mp4: decoding takes more than 0\.1 GB"):
            worker.call(devour, path, 1 << 30)
        assert worker.call(devour, path, 1 << 20) == 1 << 20


def test_errors_of_functions_are_raised(path):
    with Worker() as worker:
        with pytest.raises(DataError, match=r"^a\.mp4 is no video$"):
            worker.call(fail, path, DataError("a.mp4 is no video"))
        with pytest.raises(ZeroDivisionError) as raised:
            worker.call(fail, path, ZeroDivisionError())
        assert "in fail" in raised.value.__notes__[0]
        assert worker.call(size, path) == 7


@pytest.mark.parametrize("n", [1, 2, 100_000])
def test_not_all_items_need_be_taken(path, n):
    with Worker() as worker:
        with closing(worker.items(numbers, path, n)) as items:
            assert next(items)[0] == 0
        assert worker.call(size, path) == 7


def test_a_process_that_dies_between_two_calls_is_replaced(path):
    with Worker() as worker:
        pid = worker.call(process, path)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert worker.call(size, path) == 7
