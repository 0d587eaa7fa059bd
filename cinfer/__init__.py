"""cinfer: vision networks on the CPU. `cinfer.load("model.onnx")` gives a Session; see README.md.

Everything is loaded when first used: importing cinfer is almost free.
"""
from .errors import Cancelled, Error, InputError, LimitError, ModelError, UnsupportedError
from .version import __version__

__all__ = ["Cancelled", "Error", "InputError", "LimitError", "ModelError", "Session", "UnsupportedError",
           "__version__", "adapt", "compare", "explain", "install_as_onnxruntime", "label", "load", "quantize",
           "register_op", "serve", "vision"]


def __getattr__(name: str):
    if name in ("load", "Session"):
        from .imports import imported
        session = imported("cinfer.session")
        globals().update(load=session.load, Session=session.Session)
        return globals()[name]
    if name in ("adapt", "compare", "explain", "label", "quantize", "serve", "vision"):
        from .imports import imported
        return imported(f"cinfer.{name}")
    if name == "register_op":
        from .custom import register_op
        globals().update(register_op=register_op)
        return register_op
    if name == "install_as_onnxruntime":
        from .as_onnxruntime import install_as_onnxruntime
        return install_as_onnxruntime
    raise AttributeError(f"module 'cinfer' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
