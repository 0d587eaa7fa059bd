"""A drop-in for programs written for onnxruntime: see docs/onnxruntime.md.

    import cinfer.onnxruntime as ort                    # in a program that is written anew
    cinfer.install_as_onnxruntime()                     # before one that says `import onnxruntime`
    python -m cinfer.as_onnxruntime program.py          # or without touching it
"""
from .binding import IOBinding
from .described import ModelMetadata, NodeArg
from .devices import (OrtArenaCfg, OrtDevice, OrtMemoryInfo, create_and_register_allocator,
                      create_and_register_allocator_v2)
from .enums import (ExecutionMode, ExecutionOrder, GraphOptimizationLevel, OrtAllocatorType,
                    OrtCompileApiFlags, OrtDeviceMemoryType, OrtDeviceVendorId,
                    OrtExecutionProviderDevicePolicy, OrtHardwareDeviceType, OrtMemoryInfoDeviceType,
                    OrtMemType, OrtSparseFormat)
from .options import RunOptions, SessionOptions
from .process import (OFFERED, disable_telemetry_events, enable_telemetry_events, get_build_info, get_device,
                      get_ep_devices, get_version_string, has_collective_ops, preload_dlls, print_debug_info,
                      register_execution_provider_library, set_default_logger_callback,
                      set_default_logger_severity, set_default_logger_verbosity, set_seed,
                      unregister_execution_provider_library)
from .providers import get_all_providers, get_available_providers
from .refused import (AdapterFormat, LoraAdapter, ModelCompiler, ModelPackage, ModelPackageComponentContext,
                      ModelPackageContext, ModelPackageOptions, ModelPackageWriteMode, OrtEpAssignedNode,
                      OrtEpAssignedSubgraph, OrtEpContextData, OrtEpContextDataBuffer, OrtEpDevice,
                      OrtExternalInitializerInfo, OrtHardwareDevice, OrtSyncStream, SparseTensor)
from .session import InferenceSession, set_global_thread_pool_sizes
from .values import OrtValue, copy_tensors

from . import capi
from .capi import onnxruntime_validation

SessionIOBinding = IOBinding
__version__ = version = OFFERED
package_name, cuda_version = "onnxruntime", ""

__all__ = ["AdapterFormat", "ExecutionMode", "ExecutionOrder", "GraphOptimizationLevel", "IOBinding",
           "InferenceSession", "LoraAdapter", "ModelCompiler", "ModelMetadata", "ModelPackage",
           "ModelPackageComponentContext", "ModelPackageContext", "ModelPackageOptions",
           "ModelPackageWriteMode", "NodeArg", "OrtAllocatorType", "OrtArenaCfg", "OrtCompileApiFlags",
           "OrtDevice", "OrtDeviceMemoryType", "OrtDeviceVendorId", "OrtEpAssignedNode",
           "OrtEpAssignedSubgraph", "OrtEpContextData", "OrtEpContextDataBuffer", "OrtEpDevice",
           "OrtExecutionProviderDevicePolicy", "OrtExternalInitializerInfo", "OrtHardwareDevice",
           "OrtHardwareDeviceType", "OrtMemType", "OrtMemoryInfo", "OrtMemoryInfoDeviceType",
           "OrtSparseFormat", "OrtSyncStream", "OrtValue", "RunOptions", "SessionIOBinding", "SessionOptions",
           "SparseTensor", "capi", "copy_tensors", "create_and_register_allocator",
           "create_and_register_allocator_v2", "cuda_version", "disable_telemetry_events",
           "enable_telemetry_events", "get_all_providers", "get_available_providers", "get_build_info",
           "get_device", "get_ep_devices", "get_version_string", "has_collective_ops",
           "onnxruntime_validation", "package_name", "preload_dlls", "print_debug_info",
           "register_execution_provider_library", "set_default_logger_callback",
           "set_default_logger_severity", "set_default_logger_verbosity", "set_global_thread_pool_sizes",
           "set_seed", "unregister_execution_provider_library", "version"]
