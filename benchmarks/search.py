"""Search among five million seconds: time and memory of a query, its hits against a full scan.

Made scores as of real videos: of 521 classes of sound and 1,000 of the picture most are low and
waver about a level of their own; now and then a class, and some of its neighbours with it, is high
for a run of seconds. A query asks for ten classes of each leg, neighbours or any. The worst case is
an index of uniform bytes, in which nothing can be passed over. The index lies in the cache of the
file system. Queries run in a process of their own, the least time of three rounds counts. So does
the whole command, from its start to the last hit, where `make weights` has been run; the vectors
of the names of classes are there from its first run.

    .venv/bin/python benchmarks/search.py [--seconds N] [--folder FOLDER]

FOLDER, with 8 GB of room, keeps the index for the next time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import h5py
import numpy as np
from measure import ROOT, describe, write_result

from avlib.packages import MINILM, WEIGHTS
from avlib.tagging.archive import Leg, LegName, ScoredVideo
from avlib.tagging.pack_writer import PackWriter
from avlib.tagging.queries import Query, best_seconds, leg_terms, leg_weights, scales, weighted
from avlib.tagging.search import INDEX, state_of_packs
from avlib.tagging.search_index import LegQuery, SearchIndex, write_index
from avlib.tagging.words import TOP, class_weights

SECONDS, VIDEO_S = 5_000_000, 600
CLASSES: dict[LegName, int] = {"sound": 521, "picture": 1000}
EVENTS_A_SECOND, MEAN_RUN_S, NEIGHBOURS = 0.3, 6, 4
QUERIES, ROUNDS, COMPARED, TOP_SECONDS = 100, 3, 20, 100
SOUND_WEIGHT = 0.73
WORDS = "water running into a sink"
# The command, which then says the most memory that it has had, in kB.
COMMAND = """
import sys
from avlib.__main__ import main
main(sys.argv[1:])
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def made_videos(seconds: int) -> Iterator[ScoredVideo]:
    """Yield videos with scores like real ones."""
    rng, n_classes = np.random.default_rng(0), sum(CLASSES.values())
    normal = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
    level, deviation = rng.uniform(2, 40, n_classes), rng.uniform(3, 9, n_classes)
    quantiles = (level[:, None] + deviation[:, None] * normal).round().clip(0, 255).astype(np.uint8)
    firsts = np.arange(n_classes, dtype=np.int32) * 256
    for number in range(seconds // VIDEO_S):
        places = rng.integers(0, 256, (VIDEO_S, n_classes), dtype=np.uint8) + firsts
        scores = quantiles.ravel()[places]
        for _ in range(rng.poisson(EVENTS_A_SECOND * VIDEO_S)):
            start, class_ = rng.integers(VIDEO_S), rng.integers(n_classes)
            run = slice(start, start + rng.geometric(1 / MEAN_RUN_S))
            for i in range(rng.integers(1, NEIGHBOURS + 1)):
                seen = scores[run, (class_ + i) % n_classes]
                seen[:] = rng.normal(rng.uniform(80, 255), 12, len(seen)).clip(0, 255)
        legs: dict[LegName, Any] = {
            "sound": scores[:, : CLASSES["sound"]],
            "picture": scores[:, CLASSES["sound"] :],
        }
        yield ScoredVideo(f"{number:06d}", number * VIDEO_S, VIDEO_S, legs)


def uniform_videos(seconds: int) -> Iterator[ScoredVideo]:
    """Yield videos of the worst case, of as few classes as a query can ask for."""
    rng = np.random.default_rng(0)
    for number in range(seconds // VIDEO_S):
        legs: dict[LegName, Any] = {
            leg: rng.integers(0, 256, (VIDEO_S, TOP), dtype=np.uint8) for leg in CLASSES
        }
        yield ScoredVideo(f"{number:06d}", number * VIDEO_S, VIDEO_S, legs)


def made_query(rng: np.random.Generator, n_classes: int) -> LegQuery:
    """Return ten classes, neighbours or any, with the weights of made similarities."""
    similarity = rng.uniform(0, 0.2, n_classes)
    first = rng.integers(n_classes)
    near = (first + np.arange(TOP)) % n_classes
    near = near if rng.random() < 0.5 else rng.permutation(n_classes)[:TOP]
    similarity[near] = rng.uniform(0.25, 0.7, TOP)
    found = class_weights(similarity[None])
    return LegQuery(found.classes[0], found.weights[0])


def full_scan(index: SearchIndex, query: Query) -> list[tuple[int, float]]:
    """Return number and score of the best seconds, by the score of every second."""
    (part,) = index.parts
    units = scales(index, query)
    legs = {leg: leg_terms(query.legs[leg], units[leg], part, leg) for leg in part.legs}
    terms = weighted(legs, leg_weights(query.sound_weight, legs))
    scores = np.concatenate(
        [terms.of(part.columns.chunk(start, terms.classes)) for start in part.columns.starts()]
    )[: part.columns.n_rows]
    best = np.flatnonzero(scores >= np.partition(scores, -TOP_SECONDS)[-TOP_SECONDS])
    best = best[np.lexsort((best, -scores[best]))][:TOP_SECONDS]
    return [(int(row), float(scores[row])) for row in best]


def most_resident_mib() -> float:
    """Return the most memory that this process has had; `getrusage` would count its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run_queries(folder: Path) -> dict[str, float]:
    """Return time and memory of queries, and how many of those compared had the same hits."""
    rng = np.random.default_rng(1)
    index = SearchIndex(folder)
    queries = [
        Query({leg: made_query(rng, n) for leg, n in index.legs.items()}, SOUND_WEIGHT)
        for _ in range(QUERIES)
    ]
    # Other load on the machine meets each query in another round: the least time counts.
    wall, cpu = (np.full((ROUNDS, QUERIES), np.inf) for _ in range(2))
    for turn in range(ROUNDS):
        for number, query in enumerate(queries):
            started = time.perf_counter(), time.process_time()
            best_seconds(index, query, scales(index, query), TOP_SECONDS)
            wall[turn, number] = time.perf_counter() - started[0]
            cpu[turn, number] = time.process_time() - started[1]
    wall_ms, cpu_ms = (found.min(axis=0) * 1000 for found in (wall, cpu))
    memory = most_resident_mib()
    same = 0
    for query in queries[:COMPARED]:
        hits = best_seconds(index, query, scales(index, query), TOP_SECONDS)
        found = [(int(hit.video_id) * VIDEO_S + int(hit.start_s), hit.score) for hit in hits]
        same += found == full_scan(index, query)
    return {
        "median, ms": round(float(np.median(wall_ms)), 1),
        "95th percentile, ms": round(float(np.percentile(wall_ms, 95)), 1),
        "95th percentile of CPU time, ms": round(float(np.percentile(cpu_ms, 95)), 1),
        "resident, MiB": round(memory),
        f"of {COMPARED} queries, with the {TOP_SECONDS} hits of a full scan": same,
    }


def write_pack(results: Path, seconds: int) -> None:
    """Write a pack of videos whose scores and embeddings take no room: all are zeros."""
    from avlib.extractors.efficientnet_lite.images import classes as imagenet_classes
    from avlib.extractors.yamnet.classes import classes as audioset_classes

    legs: dict[LegName, Leg] = {
        "sound": Leg("yamnet", "", tuple(audioset_classes(ROOT / WEIGHTS)), 1024),
        "picture": Leg("efficientnet_lite0", "", tuple(imagenet_classes()), 1280),
    }
    (results / "seconds").mkdir(parents=True)
    with h5py.File(results / "seconds" / "0.h5", "w") as file:
        writer = PackWriter(file, legs, 1)
        for number in range(seconds // VIDEO_S):
            writer.finish(f"{number:06d}", VIDEO_S, "", dict.fromkeys(legs, True))
        writer.close()


def run_command(index: Path, seconds: int) -> dict[str, float]:
    """Return time and memory of the command, in a study that has an index."""
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "made"
        write_pack(results, seconds)
        (results / INDEX).parent.mkdir()
        (results / INDEX).symlink_to(index.resolve())
        with h5py.File(index / "index.h5", "r+") as table:
            table.attrs["made_from"] = state_of_packs(results)
        command = [sys.executable, "-c", COMMAND, "search", WORDS, "--in", str(results)]
        runs = []
        for _ in range(1 + ROUNDS):  # the first one makes the vectors of names
            started = os.times()
            run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            ended = os.times()
            cpu = ended.children_user + ended.children_system
            cpu -= started.children_user + started.children_system
            runs.append((cpu, int(run.stderr.split()[-1]) / 1024))
    return {
        "whole command, CPU s": round(min(cpu for cpu, _ in runs[1:]), 2),
        "whole command, resident, MiB": round(max(memory for _, memory in runs[1:])),
    }


def measure(folder: Path, seconds: int) -> dict[str, Any]:
    """Return the result of each index, which is made unless it is there."""
    result: dict[str, Any] = {"seconds": seconds, "queries": QUERIES}
    made = {"": made_videos, "uniform bytes: ": uniform_videos}
    for title, videos in made.items():
        target = folder / f"{videos.__name__}_{seconds}"
        if not target.is_dir():
            started = time.process_time()
            write_index(target, videos(seconds), "")
            result[f"{title}scores and index, CPU s"] = round(time.process_time() - started)
        command = [sys.executable, __file__, "--queries-of", str(target)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        result |= {f"{title}{key}": value for key, value in json.loads(run.stdout).items()}
        if not title and (ROOT / WEIGHTS / MINILM).is_dir():
            result |= run_command(target, seconds)
    return result


def main() -> None:
    """Make the indices and run the queries."""
    parser = argparse.ArgumentParser(description="Measure the search.")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the archive")
    parser.add_argument("--folder", type=Path, help="folder that keeps the indices")
    parser.add_argument("--queries-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.queries_of is not None:
        print(json.dumps(run_queries(options.queries_of)))
        return
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        result = measure(options.folder or Path(name), options.seconds)
    write_result("search", result, "numpy", "h5py")


if __name__ == "__main__":
    main()
