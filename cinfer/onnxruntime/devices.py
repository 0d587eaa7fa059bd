"""Devices and allocators by name: there is the CPU, and it has one memory."""
from __future__ import annotations

from .enums import ArenaExtendStrategy, OrtAllocatorType, OrtDeviceMemoryType, OrtDeviceVendorId, OrtMemType
from .errors import InputError, RuntimeError
from .options import log

TYPES = {"cpu": 0, "cuda": 1, "gpu": 1, "dml": 1, "webgpu": 1, "npu": 3, "cann": 3}
VENDORS = {"cuda": OrtDeviceVendorId.NVIDIA, "dml": OrtDeviceVendorId.MICROSOFT,
           "cann": OrtDeviceVendorId.HUAWEI}
ARENA = {"max_mem": 0, "arena_extend_strategy": -1, "initial_chunk_size_bytes": -1,
         "max_dead_bytes_per_chunk": -1, "initial_growth_chunk_size_bytes": -1,
         "max_power_of_two_extend_bytes": -1}


class CDevice:
    """A device as capi has it."""
    __slots__ = ("_fields",)

    def __init__(self, device_type: int = 0, mem_type: int = 0, device_id: int = 0, vendor_id: int = 0):
        self._fields = device_type, mem_type, device_id, vendor_id

    cpu, gpu, cuda, dml, webgpu = (staticmethod(lambda n=n: n) for n in (0, 1, 1, 1, 1))
    fpga, npu, cann, default_memory = (staticmethod(lambda n=n: n) for n in (2, 3, 3, 0))

    def device_type(self) -> int:
        return self._fields[0]

    def mem_type(self) -> int:
        return self._fields[1]

    def device_id(self) -> int:
        return self._fields[2]

    def vendor_id(self) -> int:
        return self._fields[3]


class OrtDevice:
    """A device: OrtDevice.make("cpu", 0)."""

    def __init__(self, c_ort_device: CDevice):
        if not isinstance(c_ort_device, CDevice):
            raise InputError(f"an OrtDevice is made of one of capi's, not of {type(c_ort_device).__name__}; "
                             "call OrtDevice.make('cpu', 0)")
        self._ort_device = c_ort_device

    @staticmethod
    def make(ort_device_name: str, device_id: int, vendor_id: int = -1) -> OrtDevice:
        kind = device_type(ort_device_name)
        if vendor_id < 0:
            vendor_id = VENDORS.get(ort_device_name, 0)
        return OrtDevice(CDevice(kind, 0, device_id, int(vendor_id)))

    def _get_c_device(self) -> CDevice:
        return self._ort_device

    def device_type(self) -> int:
        return self._ort_device.device_type()

    def device_id(self) -> int:
        return self._ort_device.device_id()

    def device_vendor_id(self) -> int:
        return self._ort_device.vendor_id()

    def device_mem_type(self) -> int:
        return self._ort_device.mem_type()


def device_type(name: str) -> int:
    """The number of a kind of devices."""
    try:
        return TYPES[name]
    except KeyError:
        raise InputError(f"Unsupported device type: {name}") from None


def check_cpu(name: str) -> None:
    """RuntimeError where memory of another device is asked for."""
    if device_type(name.lower()) != 0:
        raise RuntimeError(f"Can't allocate memory on the device {name!r}: cinfer runs on the CPU; ask "
                           "get_available_providers()")


class OrtMemoryInfo:
    """Which memory: of the CPU."""
    __slots__ = ("name", "allocator_type", "device_id", "mem_type", "device_mem_type", "device_vendor_id")

    def __init__(self, name: str = "Cpu", allocator_type=OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                 device_id: int = 0, mem_type=OrtMemType.DEFAULT):
        self.name, self.allocator_type = name, allocator_type
        self.device_id, self.mem_type = device_id, mem_type
        self.device_mem_type, self.device_vendor_id = OrtDeviceMemoryType.DEFAULT, 0


class OrtArenaCfg:
    """Accepted; cinfer keeps as much memory as the largest run needs."""
    __slots__ = tuple(ARENA)

    def __init__(self, *args, **options):
        if len(args) == 1 and isinstance(args[0], dict):
            args, options = (), dict(args[0])
        for name in [n for n in options if n not in ARENA]:
            raise RuntimeError(f"Invalid OrtArenaCfg option: {name}")
        for name, value in {**ARENA, **dict(zip(ARENA, args)), **options}.items():
            setattr(self, name, value)


def create_and_register_allocator(memory: OrtMemoryInfo, arena: OrtArenaCfg | None = None) -> None:
    log.debug("create_and_register_allocator: accepted, it changes nothing in cinfer")


def create_and_register_allocator_v2(provider: str, memory: OrtMemoryInfo, options: dict,
                                     arena: OrtArenaCfg | None = None) -> None:
    log.debug("create_and_register_allocator_v2: accepted, it changes nothing in cinfer")


kNextPowerOfTwo, kSameAsRequested = ArenaExtendStrategy
