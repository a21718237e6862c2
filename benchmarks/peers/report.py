"""What was measured, as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers import workloads
from peers.names import base

TARGETS = {
    "tiny": 3.0,
    "mlp-small": 3.0,
    "mlp": 1.25,
    "mlp-wide": 1.1,
    "cnn": 1.75,
    "resnet": 1.3,
    "gpt": 2.0,
    "lstm": 1.5,
    "logreg-million": 5.0,
}
"""How many times faster than the best peer a step is to be."""
COLD = {"mlp": 0.5, "gpt": 3.0, "resnet": 4.0}
"""Seconds that compiling for the first time may take."""
WARM = 0.15
"""Seconds that it may take with what a process before kept on disk."""
PRODUCTS = {"mlp-wide": 0.85}
"""Share of the peak that the products of a workload are to reach."""
MEMORY = 0.7
"""Peak memory over that of the most frugal peer."""

Document = dict[str, Any]
Cell = dict[str, Any]


def seconds(s: float | None) -> str:
    """A time with its unit."""
    if s is None:
        return "-"
    unit, scale = next(
        ((u, f) for u, f in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if s >= f), ("ns", 1e-9)
    )
    return f"{s / scale:.3g} {unit}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text, and the others numbers."""
    lines = ["| " + " | ".join(headers) + " |", "| --- |" + " ---: |" * (len(headers) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def processor() -> str:
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


class Report:
    """Tables of a document that `benchmarks/steps.py` filled.

    Args:
        doc: systems, workloads, settings and what was measured.
    """

    def __init__(self, doc: Document) -> None:
        self.doc = doc
        self.systems: list[str] = doc["systems"]
        self.workloads: list[str] = doc["workloads"]
        self.ours = [s for s in self.systems if base(s) == "adjoint"]
        self.peak: float | None = doc.get("peak_gflops")

    def cell(self, workload: str, system: str) -> Cell:
        """What was measured of a system on a workload; empty if nothing."""
        return self.doc["steps"].get(workload, {}).get(system, {})

    def best(self, workload: str, key: str, ours: bool) -> tuple[float, str] | None:
        """The least of a number, and whose, among our systems or the peers."""
        found = [
            (c[key], s)
            for s in self.systems
            if (s in self.ours) is ours and (c := self.cell(workload, s)).get(key) is not None
        ]
        return min(found, default=None)

    def text(self) -> str:
        """All of it."""
        parts = [self.head(), self.steps()]
        parts += [f"{title}\n\n{rows}" for title, rows in self.others() if rows]
        return "\n\n".join(part for part in parts if part) + "\n"

    def head(self) -> str:
        """What was measured, where, how."""
        at, how = self.doc["machine"], self.doc["settings"]
        versions = {
            base(s).split("-")[0]: c["version"]
            for w in self.workloads
            for s in self.systems
            if "version" in (c := self.cell(w, s))
        }
        libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
        products = self.doc.get("products", {})
        rates = ", ".join(f"{name} {max(r.values()):.0f}" for name, r in products.items())
        lines = [
            f"{at['processor']}, {at['processors']} processors, {at['system']}, "
            f"Python {at['python']}; {libraries}. {how['threads']} threads, float32, "
            f"{how['rounds']} interleaved rounds of {how['seconds']:g} s in a process each; the "
            "median of the rounds' medians.",
        ]
        if self.peak:
            lines.append(
                f"The peak is the best rate of a square product of up to 2048 × 2048 in any "
                f"library: {self.peak:.0f} GFLOP/s ({rates})."
            )
        lines += [self.agreement(), self.rates(), "✓ and ✗: whether what is aimed at is reached."]
        found = [c for w in self.workloads for s in self.systems if (c := self.cell(w, s))]
        if any(c.get("contended") for c in found):
            lines.append("Disturbed: others used the processors in every round.")
        return " ".join(line for line in lines if line)

    def rates(self) -> str:
        """How fast our products are by themselves."""
        said = ""
        for w, found in self.doc.get("rates", {}).items():
            for s, rate in found.items():
                said += f"Within the products of {w}, {s} reaches {rate:.0f} GFLOP/s"
                if self.peak:
                    reached, wanted = rate / self.peak, PRODUCTS.get(w)
                    met = "" if wanted is None else f", to reach {wanted:.0%}"
                    said += f", {reached:.0%} of the peak{met}"
                said += ". "
        return said.strip()

    def agreement(self) -> str:
        """Whether the systems compute the same, and how steady the rounds were."""
        found = [c for w in self.workloads for s in self.systems if (c := self.cell(w, s))]
        offs = [c["loss_off"] for c in found if "loss_off" in c]
        spreads = [c["spread"] for c in found if "spread" in c]
        if not offs:
            return ""
        agreed = all(c.get("loss_ok", True) for c in found)
        said = (
            f"The losses of the first steps agree (farthest from the median: {max(offs):.0e})."
            if agreed
            else "LOSSES DIFFER where it says so: no comparison there."
        )
        return (
            f"{said} Medians of a system's rounds differ by a factor of "
            f"{statistics.median(spreads):.2f} in the median, {max(spreads):.2f} at most."
        )

    def steps(self) -> str:
        """Median step, ratio to the best peer, share of the peak."""
        headers = ["training step", *self.systems, "best peer over adjoint", "to reach", "of peak"]
        rows: list[list[str]] = []
        for w in self.workloads:
            row = [w, *(self.step(w, s) for s in self.systems)]
            us, peer = self.best(w, "step_s", True), self.best(w, "step_s", False)
            wanted = TARGETS.get(w)
            ratio = peer[0] / us[0] if us and peer else None
            met = "" if ratio is None or wanted is None else " ✓" if ratio >= wanted else " ✗"
            row += [f"**{ratio:.2f}**{met}" if ratio else "-", f"{wanted:g}" if wanted else "-"]
            row.append(self.share(w, us, peer))
            rows.append(row)
        return table(headers, rows)

    def step(self, workload: str, system: str) -> str:
        """A cell of the first table."""
        c = self.cell(workload, system)
        if not c:
            return "-"
        if "error" in c:
            return "failed: " + c["error"][:60].replace("|", "/").replace("<", "(")
        marks = ("" if c.get("loss_ok", True) else " LOSS") + (
            " disturbed" if c["contended"] else ""
        )
        best = self.best(workload, "step_s", system in self.ours)
        return (
            f"*{seconds(c['step_s'])}*" if best and best[1] == system else seconds(c["step_s"])
        ) + marks

    def share(self, workload: str, *found: tuple[float, str] | None) -> str:
        """How much of the peak our step and that of the best peer use."""
        flops = workloads.build(workload).flops
        if not self.peak or not flops or flops < 1e6:
            return "-"  # not a matter of products
        shares = [f"{flops / f[0] / 1e9 / self.peak:.0%}" for f in found if f]
        return ", peer ".join(shares) if shares else "-"

    def others(self) -> list[tuple[str, str]]:
        """Titles and tables beside the first."""
        cold = "Compiling, cold (nothing on disk): the first step less a later one."
        if self.ours:
            said = ", ".join(f"{w} {s:g} s" for w, s in COLD.items())
            cold += f" Adjoint's limits: {said}."
        return [
            (cold, self.by_system("cold", "cold_s", COLD.get)),
            (
                "The same in a process that finds what the one before kept on disk"
                + (f" (Adjoint's limit: {WARM:g} s)." if self.ours else "."),
                self.by_system("warm", "warm_s", lambda _: WARM),
            ),
            ("Peak memory of the process, MB.", self.memory()),
            ("Importing, and the whole start until the first step is done.", self.imports()),
            ("From one thread to two.", self.scaling()),
            ("What a step costs by the number of parameters, µs.", self.dispatch()),
        ]

    def by_system(self, title: str, key: str, limit: Callable[[str], float | None]) -> str:
        """A table of times, with a mark where a limit is set for ours."""
        rows: list[list[str]] = []
        for w in self.workloads:
            row = [w]
            for s in self.systems:
                value, most = self.cell(w, s).get(key), limit(w)
                mark = ""
                if s in self.ours and value is not None and most is not None:
                    mark = " ✓" if value <= most else " ✗"
                row.append(seconds(value) + mark)
            rows.append(row)
        none = all(cell == "-" for row in rows for cell in row[1:])
        return "" if none else table([title, *self.systems], rows)

    def memory(self) -> str:
        """Peak memory, and ours over the most frugal peer's."""
        rows: list[list[str]] = []
        for w in self.workloads:
            row = [w]
            for s in self.systems:
                mb = self.cell(w, s).get("peak_mb")
                row.append("-" if mb is None else f"{mb:.0f}")
            us, peer = self.best(w, "peak_mb", True), self.best(w, "peak_mb", False)
            if us and peer:
                ratio = us[0] / peer[0]
                row.append(f"**{ratio:.2f}**" + (" ✓" if ratio <= MEMORY else " ✗"))
            else:
                row.append("-")
            rows.append(row)
        return table(["memory", *self.systems, f"adjoint over best peer (≤ {MEMORY:g})"], rows)

    def imports(self) -> str:
        """Import time and start-up by system: medians over the workloads."""
        rows: list[list[str]] = []
        for s in self.systems:
            found = [c for w in self.workloads if "import_s" in (c := self.cell(w, s))]
            if not found:
                continue
            row = [s, seconds(statistics.median(c["import_s"] for c in found))]
            row.append(f"{statistics.median(c['import_mb'] for c in found):.0f}")
            for key in ("start_cold_s", "start_warm_s"):
                times = [c[key] for c in found if c[key] is not None]
                row.append(seconds(statistics.median(times)) if times else "-")
            rows.append(row)
        headers = ["median over workloads", "import", "MB after it", "start, cold", "start, warm"]
        return table(headers, rows) if rows else ""

    def scaling(self) -> str:
        """How much faster two threads are than one."""
        one = self.doc.get("one_thread", {})
        names = [s for s in self.systems if any(s in c for c in one.values())]
        if not names:
            return ""
        rows: list[list[str]] = []
        for w in self.workloads:
            row = [w]
            for s in names:
                a = one.get(w, {}).get(s, {}).get("step_s")
                b = self.cell(w, s).get("step_s")
                row.append(f"{seconds(a)} → {seconds(b)}: {a / b:.2f}" if a and b else "-")
            rows.append(row)
        return table(["one thread → two", *names], rows)

    def dispatch(self) -> str:
        """Steps with hardly any work, and what a further parameter adds."""
        found = self.doc.get("dispatch", {})
        if not found:
            return ""
        counts = [int(n) for n in found]
        names = [s for s in self.systems if any(s in c for c in found.values())]
        rows: list[list[str]] = []
        for s in names:
            times = [found[str(n)].get(s, {}).get("step_s") for n in counts]
            row = [s, *(f"{t * 1e6:.1f}" if t else "-" for t in times)]
            first, last = times[0], times[-1]
            slope = (
                f"{(last - first) / (counts[-1] - counts[0]) * 1e6:.3f}"
                if first and last and len(counts) > 1
                else "-"
            )
            rows.append([*row, slope])
        return table(["parameters", *map(str, counts), "each further one"], rows)


def updates(found: dict[str, dict[str, Cell]], reference: str) -> str:
    """The table of `verify`: relative deviations of the updates from the reference's."""
    columns = list(dict.fromkeys(name for rows in found.values() for name in rows))
    columns.sort(key=lambda name: not name.startswith("["))
    rows = [
        [
            w,
            *(
                "-"
                if name not in rows
                else "failed"
                if "error" in rows[name]
                else f"{rows[name]['all']:.0e}" + ("" if rows[name]["same"] else " DIFFERS")
                for name in columns
            ),
        ]
        for w, rows in found.items()
    ]
    said = (
        f"Updates of all parameters after the compared steps: relative distance from those of "
        f"{reference}. In brackets, {reference} itself with a setting altered, for scale."
    )
    return f"{said}\n\n{table(['updates', *columns], rows)}\n"


def write_section(path: Path, name: str, title: str, command: str, text: str) -> None:
    """Put text between the marks of its name, which are appended where there are none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    body = f"{begin}\n\n```sh\n{command}\n```\n\n{text}\n{end}"
    page = path.read_text(encoding="utf-8")
    if begin in page and end in page:
        before, rest = page.split(begin, 1)
        page = before + body + rest.split(end, 1)[1]
    else:
        page = f"{page.rstrip()}\n\n## {title}\n\n{body}\n"
    path.write_text(page, encoding="utf-8")
