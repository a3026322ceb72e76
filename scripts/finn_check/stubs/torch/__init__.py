"""Stand-in for torch: FINN's builder imports it through its test helpers and uses nothing of it."""
