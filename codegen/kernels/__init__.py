"""One file per kernel: how its numbers are packed for C, and what it costs."""
