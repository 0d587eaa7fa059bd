"""What is told of a quantised network: which units run in integers and which not, why, and what it costs."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ..table import in_units, table
from .answers import Objects
from .choose import NOISY
from .measure import Outcome
from .timing import Times
from .units import Unit

IN_FLOAT = "float"
FEW = .5                            # of the work in integers: what would bring more is said


@dataclass(frozen=True, slots=True)
class Row:
    """A unit of the network.

    node, operators : its name, and the operators that are one in it
    runs : "u8", "s8" or "float"
    error : that it adds, or would add, to the output that suffers most; None for what is left in float by rule
    scale, low, high : of the value that it makes; None: that is in float
    why : it is left in float
    """
    node: str
    operators: str
    runs: str
    error: float | None
    scale: float | None
    low: float | None
    high: float | None
    why: str


@dataclass(slots=True)
class Report:
    """pictures : that were calibrated with, and held out
    calibration, held_out : Outcome of the pictures that were seen, and not; None: there are none
    objects : what a detector finds on pictures that were held out; None for other networks
    tried : a way of quantising -> errors of search.Tried
    share : of the multiply-adds and memory traffic that is in integers
    ms : of a run before and now, the least; ms_ratio : now over before lies between these; None: too few runs
    is_faster : None: this machine's times do not tell
    """
    model: str
    target: float
    pictures: tuple[int, int]
    layers: tuple[int, int]
    share: float
    ranges: str
    is_equalised: bool
    activates: bool
    is_corrected: bool
    tried: dict[str, object]
    rows: list[Row]
    calibration: Outcome
    held_out: Outcome | None
    objects: Objects | None
    bytes: tuple[int, int]
    ms: tuple[float, float]
    ms_ratio: tuple[float, float] | None
    is_faster: bool | None
    seconds: float
    notes: list[str] = field(default_factory=list)

    def data(self) -> dict:
        """As JSON has it."""
        return asdict(self)

    def summary(self) -> str:
        """In a line."""
        outcome = self.held_out or self.calibration
        if not self.layers[0]:
            return f"nothing is in integers, {self.why_nothing}: it computes in floats"
        slower = f"; no faster here than in floats: ship {self.model}" if self.is_faster is False else ""
        return (f"{self.layers[0]} of {self.layers[1]} layers in integers, error {outcome.typical:.3g} of the scale, "
                f"of the worst picture {outcome.largest:.3g}, "
                f"{in_units(self.bytes[1], 'B')}{slower}")

    @property
    def why_nothing(self) -> str:
        """No layer is in integers."""
        if any(row.why == NOISY for row in self.rows):
            return f"no layer keeps to the target of {self.target:g}"
        return "conversions would take longer than integers save"

    def lines(self) -> list[str]:
        return [*self.table_of_units(), "", *self.table_of_errors(), "", *self.table_of_all(), *self.notes]

    def table_of_units(self) -> list[str]:
        rows = [["node", "operators", "runs in", "error", "scale", "range", "left in float because"]]
        for row in self.rows:
            scale = ["", ""] if row.scale is None else [f"{row.scale:.3g}", f"{row.low:.3g} to {row.high:.3g}"]
            error = "" if row.error is None else f"{row.error:.4f}"
            rows.append([row.node[-40:], row.operators, row.runs, error, *scale, row.why])
        return table(rows, right=(3, 4))

    def table_of_errors(self) -> list[str]:
        rows = [["output", "pictures", "mean error", "worst picture", "relative"]]
        for what, outcome in (("calibration", self.calibration), ("held out", self.held_out)):
            for name, error in outcome.errors.items() if outcome else ():
                rows.append([name, what, f"{error.typical:.4f}", f"{error.largest:.4f}", f"{error.relative:.4f}"])
        return table(rows, right=(2, 3, 4))

    def table_of_all(self) -> list[str]:
        seen, held = self.pictures
        ways = [text for text, is_so in (
            ("activations of sums", self.activates), ("channels equalised", self.is_equalised),
            ("biases corrected", self.is_corrected)) if is_so]
        rows = [["layers", f"{self.layers[0]} of {self.layers[1]} in integers, {self.share:.0%} of the work"],
                ["ranges", ", ".join([self.ranges, *ways])],
                ["tried", ", ".join(f"{name} {each.mean:.4f} ({each.worst:.4f})" for name, each in self.tried.items())
                 + ": the mean error (and the worst) with all in integers"],
                ["pictures", f"{seen} to calibrate, {held} held out"]]
        for what, outcome in (("calibration", self.calibration), ("held out", self.held_out)):
            if outcome is not None and outcome.agreement is not None:
                rows.append(["same class", f"{outcome.agreement:.1%} of the {what} pictures"])
        if self.objects is not None:
            rows.append(["found", f"{self.objects}, on held-out pictures"])
        before, after = self.bytes
        rows += [["file", f"{in_units(before, 'B')} before, {in_units(after, 'B')} now"],
                 ["a run", f"{self.ms[0]:.3g} ms before, {self.ms[1]:.3g} ms now, on this machine"
                  + (f": {self.ms_ratio[0]:.2f} to {self.ms_ratio[1]:.2f} of the time" if self.ms_ratio else "")]]
        return table(rows)


def report_of(search, found, model: str, *, counts, held_out, objects, sizes, times: Times, seconds: float) -> Report:
    """search, found : of search.py"""
    network, inside = found.way.network, set(found.units)
    scales = found.way.scales(found.units)
    kind = "s8" if found.way.settings.dtype.kind == "i" else "u8"
    by_rule, rows = search.left(network), []
    for unit in network.units:
        if unit.kind == "move" or unit not in found.why and unit not in inside:
            continue
        scale = scales.get(unit.outputs[0]) if unit in inside else None
        low, high = scale.ends if scale else (None, None)
        error = found.noise.of(unit) ** .5 if unit not in by_rule else None
        rows.append(Row(unit.name, operators_of(unit), kind if unit in inside else IN_FLOAT, error,
                        float(scale.step) if scale else None, low, high, found.why.get(unit, "")))
    layers = network.layers
    report = Report(model, found.way.settings.target, counts, (sum(unit in inside for unit in layers), len(layers)),
                    found.share, search.method, search.is_equalised, network.activates, found.way.is_corrected,
                    found.tried, rows, found.outcome, held_out, objects, sizes, times.ms, times.ratio,
                    times.is_faster, seconds)
    report.notes += notes(report)
    return report


def operators_of(unit: Unit) -> str:
    return "+".join(node.op_type for node in unit.nodes)


def notes(report: Report) -> list[str]:
    found = []
    if not report.layers[0]:
        more = "; --target says a wider one" if any(row.why == NOISY for row in report.rows) else ""
        found.append(f"nothing is in integers, {report.why_nothing}{more}")
    else:
        if report.share < FEW:
            found.append(f"{1 - report.share:.0%} of the work stays in float: a wider --target lets more be integers")
        if report.is_faster is False:
            low, high = report.ms_ratio
            found.append(f"it is no faster on this machine, the file takes {low:.2f} to {high:.2f} of the time: "
                         f"ship {report.model}; newer CPUs may run this one faster")
        elif report.is_faster is None:
            found.append("whether this machine runs it faster its times do not tell, they vary too much; cinfer bench "
                         "does, where nothing else runs")
    if report.held_out is None:
        found.append("no picture was held out: nothing tells how it does on others; two or more are right")
    elif report.held_out.typical > report.target:
        found.append(f"held-out pictures miss the target: {report.held_out.typical:.4f}; more pictures to calibrate "
                     "with, like those to come, or a smaller --target may help")
    return found
