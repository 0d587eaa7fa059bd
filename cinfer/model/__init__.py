"""A file becomes a Graph."""
from .reader import read

__all__ = ["read"]
