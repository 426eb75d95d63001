"""Damaged files read in child processes with limits, and what became of each.

A test names a function that reads one file, as `module:function`, and a folder of files. A child
reads one file after the other and prints the number of each before and after it; where the child
dies, the last number is that of the file, and a new child goes on with the next one.
"""

import argparse
import importlib
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve()
OUTCOMES = ("read", "refused", "crashes", "hangs", "unclassified")


@dataclass(frozen=True)
class Limits:
    """What one child may use.

    Attributes:
        memory_mb: address space (RLIMIT_AS); it counts libraries, too.
        file_s: seconds for one file, after which it counts as a hang.
        cpu_s: seconds of CPU of a child for all of its files.
    """

    memory_mb: int = 4096
    file_s: float = 10.0
    cpu_s: int = 300


STANDARD = Limits()


@dataclass
class Counts:
    """Number of files by outcome, and the files that are neither read nor refused.

    Attributes:
        reasons: of refusals, where the reader gives them.
    """

    name: str
    number: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = sum(self.number.values())
        faults = [f"{name} {self.number[name]}" for name in OUTCOMES[2:]]
        parts = [f"{self.number[name]} {name}" for name in OUTCOMES[:2]]
        if self.reasons:
            reasons = (f"{reason} {count}" for reason, count in self.reasons.most_common())
            parts[1] += f" ({', '.join(reasons)})"
        return f"{self.name}: {total} files, {', '.join([*parts, *faults])}"


def read_all(name: str, files: Sequence[Path], reader: str, limits: Limits = STANDARD) -> Counts:
    """Read files in child processes; return what became of them.

    Args:
        name: of the kind of files, for the line of counts.
        files: their order is that of the numbers that children print.
        reader: `module:function`; it takes a path. An error of `avlib.errors`, or False or a reason
            as its result, is a refusal; any other error is unclassified.
        limits: of each child.
    """
    counts, start = Counts(name), 0
    listing = "\0".join(os.fspath(path) for path in files)
    while start < len(files):
        command = [sys.executable, os.fspath(HERE), reader, str(start)]
        command += [str(limits.memory_mb), str(limits.file_s), str(limits.cpu_s)]
        child = subprocess.run(command, input=listing, capture_output=True, text=True, check=False)
        begun = start - 1
        for line in child.stdout.splitlines():
            word, number, *reason = line.split(" ", 2)
            if word == "begun":
                begun = int(number)
            elif word in OUTCOMES:
                counts.number[word] += 1
                start = int(number) + 1
                if reason and word == "refused":
                    counts.reasons[reason[0]] += 1
                elif reason:
                    counts.faults.append(f"{files[int(number)]}: {reason[0]}")
        if child.returncode == 0:
            break
        if begun < start:
            raise RuntimeError(
                f"the child of {reader} failed before a file: {child.stderr[-2000:]}"
            )
        is_hang = child.returncode in (-signal.SIGALRM, -signal.SIGXCPU)
        counts.number["hangs" if is_hang else "crashes"] += 1
        counts.faults.append(f"{files[begun]}: status {child.returncode} {child.stderr[-300:]}")
        start = begun + 1
    return counts


def check(counts: Counts, record_property: Callable[[str, object], None]) -> None:
    """Hand the counts to the summary of all tests; fail if a file was neither read nor refused."""
    record_property("counts", str(counts))
    assert not counts.faults, "\n".join(counts.faults[:20])


def _child() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("reader")
    parser.add_argument("start", type=int)
    parser.add_argument("memory_mb", type=int)
    parser.add_argument("file_s", type=float)
    parser.add_argument("cpu_s", type=int)
    options = parser.parse_args()
    files = sys.stdin.read().split("\0")
    module, _, function = options.reader.partition(":")
    reader = getattr(importlib.import_module(module), function)
    limit = options.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (options.cpu_s, options.cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in range(options.start, len(files)):
        print("begun", number, flush=True)
        signal.setitimer(signal.ITIMER_REAL, options.file_s)  # SIGALRM ends the process
        outcome = _outcome(reader, Path(files[number]))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(outcome[0], number, *outcome[1:], flush=True)


def _outcome(reader: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    from avlib.errors import AvlibError

    try:
        result = reader(path)
        if isinstance(result, str):
            return "refused", result
        return ("refused",) if result is False else ("read",)
    except AvlibError as error:
        return ("refused",) if str(error) and "\n" not in str(error) else ("unclassified", "lines")
    except BaseException as error:
        return ("unclassified", " ".join(f"{type(error).__name__}: {error}".split())[:300])


def read_word(path: Path) -> bool | str:
    """Do what a file says; a reader to test the runner with."""
    from avlib.errors import DataError

    word = path.read_text()
    if word == "told":
        raise DataError(f"{path}: is refused")
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "hang":
        signal.pause()
    if word == "error":
        raise KeyError(word)
    if word == "memory":
        bytearray(2**31)
    return "for a reason" if word == "reason" else word != "refused"


if __name__ == "__main__":
    _child()
