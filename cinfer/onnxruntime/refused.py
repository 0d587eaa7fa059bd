"""Names that are there, for isinstance and imports, of what cinfer does not do: making one says so."""
from __future__ import annotations

from .errors import NotImplemented, made


def refused(name: str, why: str) -> type:
    """A class that cannot be made."""
    def __new__(cls, *args, **options):
        raise made(NotImplemented, f"{name}: {why}")

    def of(cls, *args, **options):
        raise made(NotImplemented, f"{name}: {why}")
    makers = {each: classmethod(of) for each in MAKERS.get(name, ())}
    return type(name, (), {"__doc__": f"Not in cinfer: {why}.", "__module__": __name__, "__new__": __new__,
                           **makers})


MAKERS = {"SparseTensor": ("sparse_coo_from_numpy", "sparse_csr_from_numpy"),
          "AdapterFormat": ("read_adapter",), "ModelPackage": ("open",)}
CPU_ONLY, COMPILED = "there is but the CPU", "cinfer compiles no models"
PACKAGES = "cinfer reads no model packages"

AdapterFormat = refused("AdapterFormat", "cinfer has no adapters (LoRA)")
LoraAdapter = refused("LoraAdapter", "cinfer has no adapters (LoRA)")
SparseTensor = refused("SparseTensor", "cinfer has no sparse tensors but those in files")
ModelCompiler = refused("ModelCompiler", COMPILED)
OrtEpContextData = refused("OrtEpContextData", COMPILED)
OrtEpContextDataBuffer = refused("OrtEpContextDataBuffer", COMPILED)
OrtExternalInitializerInfo = refused("OrtExternalInitializerInfo", COMPILED)
ModelPackage = refused("ModelPackage", PACKAGES)
ModelPackageComponentContext = refused("ModelPackageComponentContext", PACKAGES)
ModelPackageContext = refused("ModelPackageContext", PACKAGES)
ModelPackageOptions = refused("ModelPackageOptions", PACKAGES)
ModelPackageWriteMode = refused("ModelPackageWriteMode", PACKAGES)
OrtEpAssignedNode = refused("OrtEpAssignedNode", CPU_ONLY)
OrtEpAssignedSubgraph = refused("OrtEpAssignedSubgraph", CPU_ONLY)
OrtEpDevice = refused("OrtEpDevice", CPU_ONLY)
OrtHardwareDevice = refused("OrtHardwareDevice", CPU_ONLY)
OrtSyncStream = refused("OrtSyncStream", CPU_ONLY)

__all__ = [name for name, value in globals().items() if isinstance(value, type)]
