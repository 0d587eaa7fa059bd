"""Costs of candidates are estimates in ns on one thread, so that unlike ways can be compared, and a measured
time can stand in for any of them. Where all candidates are of one family, only their ratios count, and those
stand beside the family (tools/fit_costs.py fits them again)."""

MULTIPLY_ADD_NS = 1 / 64        # of float32, in a full register tile: AVX2 at 4 GHz
