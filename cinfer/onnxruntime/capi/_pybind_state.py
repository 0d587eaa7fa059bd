"""onnxruntime.capi._pybind_state: as onnxruntime_pybind11_state."""
from cinfer.onnxruntime.capi.onnxruntime_pybind11_state import *
