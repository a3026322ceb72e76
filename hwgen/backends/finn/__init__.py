"""Graph -> a folder for FINN v0.10.1's `run-docker.sh build_dataflow`. See docs/finn.md."""
