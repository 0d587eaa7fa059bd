"""onnxruntime.capi._pybind_state: as onnxruntime_pybind11_state."""
from cinfer.onnxruntime.capi import onnxruntime_pybind11_state as state

__all__ = list(state.__all__)
globals().update({name: getattr(state, name) for name in __all__})
