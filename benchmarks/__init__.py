"""What Dobby costs and how fast he is, measured: one module per figure sheet, `python -m benchmarks` for all of them."""
