"""A plan runs: routines, the memory of runs, and what ends a run early."""
