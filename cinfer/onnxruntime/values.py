"""OrtValue: a tensor, a list of tensors, or nothing, all in the memory of NumPy."""
from __future__ import annotations

import builtins

import numpy as np

from ..errors import UnsupportedError
from ..model.tensors import dtype_of
from .described import CODES, element
from .devices import OrtMemoryInfo, check_cpu
from .errors import NotImplemented, RuntimeError, TypeError, ValueError, made

NO_SPARSE = "cinfer has no sparse tensors but those in files"


class OrtValue:
    """Made by its class methods. It shares memory with the array that it is made of."""
    __slots__ = ("_value", "_code", "__weakref__")

    def __init__(self, ortvalue, numpy_obj=None, session=None):
        if not isinstance(ortvalue, OrtValue):
            raise ValueError("`Provided ortvalue` needs to be of type "
                             "`onnxruntime.capi.onnxruntime_pybind11_state.OrtValue`")
        self._value, self._code = ortvalue._value, ortvalue._code

    @classmethod
    def _of(cls, value, code: int = 0) -> OrtValue:
        """value : array, list of arrays, None; code : element type, where the array's dtype does not say"""
        self = object.__new__(cls)
        self._value, self._code = value, code
        return self

    @classmethod
    def ortvalue_from_numpy(cls, numpy_obj, device_type: str = "cpu", device_id: int = 0,
                            vendor_id: int = -1) -> OrtValue:
        if not isinstance(device_type, str):            # as capi is called: with a device
            device_type = "cpu" if device_type.device_type() == 0 else "gpu"
        check_cpu(device_type)
        if not isinstance(numpy_obj, np.ndarray) or numpy_obj.dtype.kind in "USO":
            raise RuntimeError("Creation of OrtValues is currently only supported from non-string numpy "
                               "arrays")
        return cls._of(np.ascontiguousarray(numpy_obj) if numpy_obj.ndim else numpy_obj)

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data: np.ndarray, onnx_element_type: int) -> OrtValue:
        """The bits of an array as elements of an ONNX type (TensorProto.BFLOAT16) of the same size."""
        size, wanted = dtype_size(onnx_element_type), data.dtype.itemsize
        if size != wanted:
            raise RuntimeError(f"elements of {data.dtype} have {wanted} bytes, those of ONNX type "
                               f"{onnx_element_type} {size}")
        return cls._of(np.ascontiguousarray(data), int(onnx_element_type))

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape, element_type, device_type: str = "cpu", device_id: int = 0,
                                     vendor_id: int = -1,
                                     memory_info: OrtMemoryInfo | None = None) -> OrtValue:
        """element_type : of NumPy, or a TensorProto.DataType"""
        check_cpu(device_type)
        code = int(element_type) if isinstance(element_type, int) else 0
        shape = tuple(int(d) for d in shape)
        if any(d < 0 for d in shape):
            raise RuntimeError(f"Tensor shape.Size() must be >= 0, got {list(shape)}")
        if not code:
            return cls._of(np.zeros(shape, element_type))
        try:
            return cls._of(np.zeros(shape, dtype_of(code)), code)
        except UnsupportedError:                        # without ml_dtypes: the bits
            return cls._of(np.zeros(shape, f"u{dtype_size(code)}"), code)

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor) -> OrtValue:
        raise made(NotImplemented, NO_SPARSE)

    def as_sparse_tensor(self):
        raise made(NotImplemented, NO_SPARSE)

    @classmethod
    def from_dlpack(cls, data) -> OrtValue:
        """Shares memory with a tensor of another library, or with what its capsule holds."""
        try:
            return cls._of(np.from_dlpack(data if hasattr(data, "__dlpack__") else Capsule(data)))
        except AttributeError:
            raise TypeError("from_dlpack expected a valid DLPack capsule named 'dltensor'") from None
        except (BufferError, SystemError, builtins.TypeError) as error:
            raise TypeError(f"from_dlpack expected a valid DLPack capsule: {error}") from None

    @property
    def _ortvalue(self) -> OrtValue:
        return self

    def _get_c_value(self) -> OrtValue:
        return self

    def _typed(self):
        """The value as a session takes it."""
        if self._code and isinstance(self._value, np.ndarray):
            return self._value.view(dtype_of(self._code))
        return self._value

    def _array(self) -> np.ndarray:
        if not isinstance(self._value, np.ndarray):
            raise RuntimeError("Only OrtValues that are Tensors are convertible to Numpy objects")
        return self._value

    def numpy(self) -> np.ndarray:
        array = self._array()
        if array.dtype.type.__module__ != "numpy" or self._code and element(array.dtype) != NAMES[self._code]:
            raise RuntimeError(f"No corresponding Numpy type for Tensor Type. {self._element()}")
        return array

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.numpy()
        return np.array(array, dtype, copy=copy) if copy is not None else np.asarray(array, dtype)

    def __dlpack__(self, *, stream=None, **options):
        array = self._array()
        if array.dtype == bool or array.flags.writeable:
            return array.__dlpack__(**options)
        return array.copy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def to_dlpack(self):
        return self.__dlpack__()

    def data_ptr(self) -> int:
        return self._array().ctypes.data

    def device_name(self) -> str:
        return "cpu"

    def shape(self) -> list[int]:
        return list(self._array().shape)

    def _element(self) -> str:
        value = self._value[0] if isinstance(self._value, list) and self._value else self._value
        return NAMES[self._code] if self._code else element(getattr(value, "dtype", None))

    def data_type(self) -> str:
        tensor = f"tensor({self._element()})"
        return f"seq({tensor})" if isinstance(self._value, list) else tensor

    def element_type(self) -> int:
        self._array()
        return CODES[self._element()]

    def tensor_size_in_bytes(self) -> int:
        return self._array().nbytes

    def has_value(self) -> bool:
        return self._value is not None

    def is_tensor(self) -> bool:
        return isinstance(self._value, np.ndarray)

    def is_sparse_tensor(self) -> bool:
        return False

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._value, list)

    def update_inplace(self, data) -> None:
        """Copy an array, or what another OrtValue holds, into this one's memory."""
        if isinstance(data, OrtValue):
            data = data._array()
        if not isinstance(data, np.ndarray):
            raise TypeError("data must be a numpy.ndarray or an OrtValue.")
        mine = self._array()
        if data.size != mine.size:
            raise RuntimeError("The input size of numpy arrays does not match the size of the OrtValue.")
        if data.dtype != mine.dtype:
            raise RuntimeError(f"the OrtValue holds {mine.dtype}, got {data.dtype}")
        mine.reshape(-1)[:] = data.reshape(-1)

    def __reduce__(self):
        return OrtValue._of, (self._value, self._code)


NAMES = {code: name for name, code in CODES.items()}


class Capsule:
    """A bare DLPack capsule, as NumPy takes it."""

    def __init__(self, capsule):
        if type(capsule).__name__ != "PyCapsule":
            raise AttributeError("no capsule")
        self.capsule = capsule

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self):
        return 1, 0


def dtype_size(code: int) -> int:
    """Bytes of an element; of types that NumPy has not, too."""
    return dtype_of(code).itemsize if code not in NAMES or code < 16 else 2 if code == 16 else 1


def copy_tensors(src, dst, stream=None) -> None:
    """Copy each of these OrtValues into the memory of its counterpart."""
    src, dst = list(src), list(dst)
    if len(src) != len(dst):
        raise RuntimeError(f"{len(src)} tensors cannot be copied to {len(dst)}")
    for a, b in zip(src, dst):
        b.update_inplace(a)


class OrtValueVector(list):
    """OrtValues, as capi lists them."""

    push_back = list.append

    def push_back_batch(self, tensors, *_) -> None:
        self.extend(OrtValue.from_dlpack(t) for t in tensors)

    def reserve(self, number: int) -> None:
        pass

    shrink_to_fit = reserve

    def element_type_at(self, i: int) -> int:
        return self[i].element_type()

    def dlpack_at(self, i: int):
        return self[i].to_dlpack()
