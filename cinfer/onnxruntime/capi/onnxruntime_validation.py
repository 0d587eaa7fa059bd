"""onnxruntime.capi.onnxruntime_validation: what the package is called."""
from cinfer.onnxruntime.process import OFFERED

__all__ = ["check_distro_info", "get_package_name_and_version_info"]


def get_package_name_and_version_info() -> tuple[str, str, str]:
    return "onnxruntime", OFFERED, ""


def check_distro_info() -> None:
    """Any will do."""
