"""Files of the workflow that lost their content, as after a power cut, and the remedy."""

from pathlib import Path

from avlib.errors import DataError

REPLACE = "replace it, or delete it if the workflow has trained it"


def torn(path: Path, kind: str, error: BaseException) -> DataError:
    """Return the error of a file that a stage has written and that cannot be read.

    Args:
        path: the file.
        kind: what it should be.
        error: what reading it raised.
    """
    # A feature file is no output of its own: the table of its shard is.
    shards = next((p / "shards" for p in path.parents[:2] if (p / "shards").is_dir()), None)
    what = "it" if shards is None or path.parent == shards else f"it and {shards}/*.parquet"
    reason = " ".join(str(error).split())
    return DataError(
        f"{path}: not a readable {kind} ({reason}); delete {what}, then the same command makes it "
        "again"
    )
