"""Raw videos and published annotations to trained audio-visual models, metrics and a report."""

__version__ = "0.1.0"
