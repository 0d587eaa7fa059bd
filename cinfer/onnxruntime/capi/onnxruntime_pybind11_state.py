"""onnxruntime.capi.onnxruntime_pybind11_state: exceptions, options, values, enumerations."""
from cinfer.onnxruntime.binding import IOBinding as SessionIOBinding
from cinfer.onnxruntime.described import ModelMetadata, NodeArg
from cinfer.onnxruntime.devices import (CDevice as OrtDevice, OrtArenaCfg, OrtMemoryInfo,
                                        create_and_register_allocator, create_and_register_allocator_v2,
                                        kNextPowerOfTwo, kSameAsRequested)
from cinfer.onnxruntime.enums import (ArenaExtendStrategy, ExecutionMode, ExecutionOrder,
                                      GraphOptimizationLevel, OrtAllocatorType, OrtCompileApiFlags,
                                      OrtDeviceMemoryType, OrtExecutionProviderDevicePolicy,
                                      OrtHardwareDeviceType, OrtMemoryInfoDeviceType, OrtMemType,
                                      OrtSparseFormat)
from cinfer.onnxruntime.errors import (DeviceReset, EngineError, EPFail, Fail, InvalidArgument, InvalidGraph,
                                       InvalidProtobuf, ModelLoadCanceled, ModelLoaded,
                                       ModelRequiresCompilation, NoModel, NoSuchFile, NotFound,
                                       NotImplemented, RuntimeException)
from cinfer.onnxruntime.options import RunOptions, SessionOptions
from cinfer.onnxruntime.process import (disable_telemetry_events, enable_telemetry_events, get_build_info,
                                        get_default_session_options, get_device, get_ep_devices,
                                        get_version_string, has_collective_ops,
                                        register_execution_provider_library, set_default_logger_callback,
                                        set_default_logger_severity, set_default_logger_verbosity, set_seed,
                                        unregister_execution_provider_library)
from cinfer.onnxruntime.providers import get_all_providers, get_available_providers
from cinfer.onnxruntime.refused import (AdapterFormat, LoraAdapter, ModelCompiler, ModelPackage,
                                        ModelPackageComponentContext, ModelPackageContext,
                                        ModelPackageOptions, ModelPackageWriteMode, OrtEpAssignedNode,
                                        OrtEpAssignedSubgraph, OrtEpContextData, OrtEpContextDataBuffer,
                                        OrtEpDevice, OrtExternalInitializerInfo, OrtHardwareDevice,
                                        OrtSyncStream, SparseTensor)
from cinfer.onnxruntime.session import InferenceSession, set_global_thread_pool_sizes
from cinfer.onnxruntime.values import OrtValue, OrtValueVector, copy_tensors

__all__ = ["AdapterFormat", "ArenaExtendStrategy", "copy_tensors", "create_and_register_allocator",
           "create_and_register_allocator_v2", "DeviceReset", "disable_telemetry_events",
           "enable_telemetry_events", "EngineError", "EPFail", "ExecutionMode", "ExecutionOrder", "Fail",
           "get_all_providers", "get_available_providers", "get_build_info", "get_default_session_options",
           "get_device", "get_ep_devices", "get_version_string", "GraphOptimizationLevel",
           "has_collective_ops", "InferenceSession", "InvalidArgument", "InvalidGraph", "InvalidProtobuf",
           "kNextPowerOfTwo", "kSameAsRequested", "LoraAdapter", "ModelCompiler", "ModelLoadCanceled",
           "ModelLoaded", "ModelMetadata", "ModelPackage", "ModelPackageComponentContext",
           "ModelPackageContext", "ModelPackageOptions", "ModelPackageWriteMode", "ModelRequiresCompilation",
           "NodeArg", "NoModel", "NoSuchFile", "NotFound", "NotImplemented", "OrtAllocatorType",
           "OrtArenaCfg", "OrtCompileApiFlags", "OrtDevice", "OrtDeviceMemoryType", "OrtEpAssignedNode",
           "OrtEpAssignedSubgraph", "OrtEpContextData", "OrtEpContextDataBuffer", "OrtEpDevice",
           "OrtExecutionProviderDevicePolicy", "OrtExternalInitializerInfo", "OrtHardwareDevice",
           "OrtHardwareDeviceType", "OrtMemoryInfo", "OrtMemoryInfoDeviceType", "OrtMemType",
           "OrtSparseFormat", "OrtSyncStream", "OrtValue", "OrtValueVector",
           "register_execution_provider_library", "RunOptions", "RuntimeException", "SessionIOBinding",
           "SessionOptions", "set_default_logger_callback", "set_default_logger_severity",
           "set_default_logger_verbosity", "set_global_thread_pool_sizes", "set_seed", "SparseTensor",
           "unregister_execution_provider_library"]
