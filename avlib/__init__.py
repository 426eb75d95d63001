"""Raw videos and published annotations to trained audio-visual models, metrics and a report."""

__version__ = "0.1.0"

_API = ("extract", "search", "tag")


def __getattr__(name: str) -> object:
    """Return a function of `avlib.api`, which is imported when it is first used."""
    if name in _API:
        return getattr(__import__("avlib.api", fromlist=[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
