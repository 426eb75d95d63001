"""Video and sound files: probe, decode, resample."""
