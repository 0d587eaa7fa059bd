"""Execution providers: there is the CPU's."""
from __future__ import annotations

import warnings
from collections.abc import Sequence

from .errors import RuntimeError, ValueError

CPU = "CPUExecutionProvider"
KNOWN = [f"{name}ExecutionProvider" for name in (
    "Tensorrt", "NvTensorRTRTX", "CUDA", "MIGraphX", "ROCM", "OpenVINO", "Dnnl", "VitisAI", "QNN", "Nnapi",
    "VSINPU", "Js", "CoreML", "Dml", "Rknpu", "WebNN", "WebGpu", "Xnnpack", "CANN",
    "ACL", "ArmNN", "Azure", "CPU")]


def get_all_providers() -> list[str]:
    return list(KNOWN)


def get_available_providers() -> list[str]:
    return [CPU]


def check(providers, options, stacklevel: int) -> None:
    """Warn of providers that are not there, as onnxruntime does; RuntimeError for a name that nobody knows,
    ValueError for what is no list of names and (name, options) pairs."""
    if providers is None:
        return
    if isinstance(providers, str):
        raise ValueError(f"'providers' should be a sequence of names: [{providers!r}]")
    if not isinstance(providers, Sequence):
        raise ValueError("'providers' should be a sequence.")
    if options is not None:
        if not isinstance(options, Sequence):
            raise ValueError("'provider_options' should be a sequence.")
        if len(providers) != len(options):
            raise ValueError("'providers' and 'provider_options' should be the same length if both are "
                             "given.")
        if not all(isinstance(each, str) for each in providers):
            raise ValueError("Only string values for 'providers' are supported if 'provider_options' is "
                             "given.")
        if not all(isinstance(each, dict) for each in options):
            raise ValueError("'provider_options' values must be dicts.")
    names = []
    for each in providers:
        if isinstance(each, tuple) and tuple(map(type, each)) == (str, dict):
            each = each[0]
        elif not isinstance(each, str):
            raise ValueError("'providers' values must be either strings or (string, dict) tuples.")
        if each != CPU:
            warnings.warn(f"Specified provider '{each}' is not in available provider names."
                          f"Available providers: '{CPU}'", stacklevel=stacklevel)
        if each in names:
            warnings.warn(f"Duplicate provider '{each}' encountered, ignoring.", stacklevel=stacklevel)
        names.append(each)
    if "TensorrtExecutionProvider" in names and "NvTensorRTRTXExecutionProvider" in names:
        raise ValueError("Cannot enable both 'TensorrtExecutionProvider' and "
                         "'NvTensorRTRTXExecutionProvider' in the same session.")
    for each in names:
        if each not in KNOWN:
            raise RuntimeError(f"Unknown Provider Type: {each}")
