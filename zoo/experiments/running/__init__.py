"""Runs on disk and workers: claimed, resumed, finished; one or a hundred, on one machine or a cluster."""
