"""Around the driver, on a robot that moves: loop, watchdog, chunks, hot swap, health."""
