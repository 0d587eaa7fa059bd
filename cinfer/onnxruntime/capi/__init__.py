"""The inner modules of onnxruntime that programs import: exceptions, and the same classes once more."""
from cinfer.onnxruntime.capi import (_pybind_state, onnxruntime_inference_collection,
                                     onnxruntime_pybind11_state, onnxruntime_validation)

__all__ = ["_pybind_state", "onnxruntime_inference_collection", "onnxruntime_pybind11_state",
           "onnxruntime_validation"]
