"""Datasets: official annotations to our tables and back; one file a dataset."""
