"""What the benchmarks run against: a house of any size, its device side in another process, and a real Dobby in a third."""
