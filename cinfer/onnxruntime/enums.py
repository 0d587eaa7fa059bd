"""The enumerations of onnxruntime."""
from enum import IntEnum

__all__ = ["ArenaExtendStrategy", "ExecutionMode", "ExecutionOrder", "GraphOptimizationLevel",
           "OrtAllocatorType", "OrtCompileApiFlags", "OrtDeviceMemoryType", "OrtDeviceVendorId",
           "OrtExecutionProviderDevicePolicy", "OrtHardwareDeviceType", "OrtMemType",
           "OrtMemoryInfoDeviceType", "OrtSparseFormat"]


class Member(IntEnum):
    """Written as onnxruntime's members are: GraphOptimizationLevel.ORT_ENABLE_ALL."""

    def __str__(self):
        return f"{type(self).__name__}.{self.name}"

    def __format__(self, spec):
        return format(str(self), spec)



class GraphOptimizationLevel(Member):
    ORT_DISABLE_ALL, ORT_ENABLE_BASIC, ORT_ENABLE_EXTENDED, ORT_ENABLE_LAYOUT, ORT_ENABLE_ALL = 0, 1, 2, 3, 99


class ExecutionMode(Member):
    ORT_SEQUENTIAL, ORT_PARALLEL = 0, 1


class ExecutionOrder(Member):
    DEFAULT, PRIORITY_BASED, MEMORY_EFFICIENT = 0, 1, 2


class OrtAllocatorType(Member):
    INVALID, ORT_DEVICE_ALLOCATOR, ORT_ARENA_ALLOCATOR = -1, 0, 1


class OrtMemType(Member):
    CPU_INPUT, CPU_OUTPUT, DEFAULT = -2, -1, 0
    CPU = -1


class OrtMemoryInfoDeviceType(Member):
    CPU, GPU, NPU, FPGA = 0, 1, 3, 2


class OrtDeviceMemoryType(Member):
    DEFAULT, HOST_ACCESSIBLE = 0, 5


class OrtHardwareDeviceType(Member):
    CPU, GPU, NPU = 0, 1, 2


class OrtSparseFormat(Member):
    ORT_SPARSE_UNDEFINED, ORT_SPARSE_COO, ORT_SPARSE_CSRC, ORT_SPARSE_BLOCK_SPARSE = 0, 1, 2, 4


class OrtExecutionProviderDevicePolicy(Member):
    DEFAULT, PREFER_CPU, PREFER_NPU, PREFER_GPU, MAX_PERFORMANCE, MAX_EFFICIENCY, MIN_OVERALL_POWER = range(7)


class OrtCompileApiFlags(Member):
    NONE, ERROR_IF_NO_NODES_COMPILED, ERROR_IF_OUTPUT_FILE_EXISTS = 0, 1, 2


class ArenaExtendStrategy(Member):
    kNextPowerOfTwo, kSameAsRequested = 0, 1


class OrtDeviceVendorId(IntEnum):
    """PCI's numbers."""
    NONE, AMD, NVIDIA, ARM, MICROSOFT = 0, 0x1002, 0x10DE, 0x13B5, 0x1414
    HUAWEI, QUALCOMM, INTEL = 0x19E5, 0x5143, 0x8086
