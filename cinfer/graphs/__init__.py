"""Graphs as something to walk in: who makes and who reads each value."""
