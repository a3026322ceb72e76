"""Stand-in for torchvision, which FINN imports through its test helpers."""
