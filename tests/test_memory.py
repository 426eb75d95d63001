import ctypes
import subprocess
import sys

import pytest

from avlib.memory import ITEMS_A_ROUND, returning_memory

HOLES = f"""
import resource
from avlib.memory import returning_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

stays, goes = [], []
for _ in range(1000):
    goes.append(bytearray(b"1") * 100_000)
    stays.append(bytearray(1000))
goes.clear()
before = resident()
list(returning_memory(range({ITEMS_A_ROUND - 1})))
between = resident()
list(returning_memory(range({ITEMS_A_ROUND})))
print(before - between, between - resident())
"""


def test_items_are_all_passed_on():
    assert list(returning_memory(range(2 * ITEMS_A_ROUND + 1))) == list(
        range(2 * ITEMS_A_ROUND + 1)
    )


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not the allocator of glibc"
)
def test_holes_between_things_that_stay_are_given_back():
    run = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    too_early, given_back = map(int, run.stdout.split())
    assert abs(too_early) < 10_000_000
    assert given_back > 80_000_000


PROGRAM = """
import atexit
from avlib.memory import run_and_leave

class Library:
    def __del__(self):
        print("unloaded")

loaded = Library()

def program():
    atexit.register(print, "closed")
    print("said")
    return int({status})

run_and_leave(program)
"""


def ended(status):
    program = PROGRAM.format(status=status)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return run.returncode, run.stdout.splitlines(), run.stderr


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_leaves_with_its_status_after_all_is_said_and_done(status):
    assert ended(status) == (status, ["said", "closed"], "")


def test_a_command_that_fails_ends_as_any_other_program():
    status, said, error = ended("'no number'")
    assert (status, said) == (1, ["said", "closed", "unloaded"])
    assert "ValueError: invalid literal" in error
