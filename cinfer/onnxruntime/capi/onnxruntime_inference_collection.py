"""onnxruntime.capi.onnxruntime_inference_collection: sessions, bindings and values."""
from cinfer.onnxruntime.binding import IOBinding
from cinfer.onnxruntime.devices import OrtDevice, device_type as get_ort_device_type
from cinfer.onnxruntime.enums import OrtDeviceVendorId
from cinfer.onnxruntime.refused import AdapterFormat, ModelCompiler, SparseTensor
from cinfer.onnxruntime.session import InferenceSession, Session
from cinfer.onnxruntime.values import OrtValue, copy_tensors

__all__ = ["AdapterFormat", "IOBinding", "InferenceSession", "ModelCompiler", "OrtDevice",
           "OrtDeviceVendorId", "OrtValue", "Session", "SparseTensor", "copy_tensors", "get_ort_device_type"]
