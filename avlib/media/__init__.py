"""Video and sound files: find, scan, probe, decode, resample, pack."""
