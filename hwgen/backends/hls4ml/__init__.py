"""The hls4ml backend: one HLS block a layer, bit for bit golden."""
