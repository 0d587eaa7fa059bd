# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels of bytes alone, for ISA levels that have instructions for their products and nothing else. setup.py
builds this file once per such level as _kernels_LEVEL; the executor lays its table over that of the level below: what
has the same name here is taken, and so is what is said here of the packed forms."""
include "of_bytes.pxi"
the_table.kernels = n_entries
the_table.kernel = entries

def table():
    return PyCapsule_New(&the_table, "cinfer.table", NULL)
