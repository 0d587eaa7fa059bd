"""The file of each kernel is found by its operator."""
from cinfer.ops import registry
from cinfer.plan import kernels
from cinfer.plan.candidate import KERNELS


def test_each_kernel_is_in_the_file_that_its_operator_asks_for(monkeypatch):
    kernels.enter_all()
    registry.load_all()
    asked = []
    monkeypatch.setattr(kernels, "imported", asked.append)
    operators = {(operator.domain, operator.name): operator for operator in registry.operators()}
    for key, kernel in KERNELS.items():
        if kernel is None:
            continue
        asked.clear()
        kernels.enter(operators[key])
        file = (kernel.unary or kernel.candidates).__module__
        assert asked == [file.replace("elementwise", "activations")], key
