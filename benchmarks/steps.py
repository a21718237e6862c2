"""Whole training steps beside other libraries: time, compilation, memory, scaling, dispatch.

    python benchmarks/steps.py                                            # all of it
    python benchmarks/steps.py --systems torch,jax,adjoint --workloads mlp,gpt --json out.json
    python benchmarks/steps.py --verify                                   # is it the same work?
    python benchmarks/steps.py --write docs/benchmarks.md

A step is forward, backward and update, from the same weights, batches and settings in every system
(`peers/workloads.py`), and ends when the loss and the new parameters are computed. Each (system,
workload, round) is a process of its own, kept to as many processors as there may be threads; rounds
are interleaved over the systems, and those in which others used the processors are set aside. What
systems keep on disk is in a folder that starts empty: the first round is the cold start, later ones
are warm. Losses of the first steps are compared; `--verify` compares the updates themselves.

A system's name may carry ``+arena``: its process then runs with the C library told to keep freed
memory, which is what a careful user of it would do.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers import report, rounds, verify, workloads
from peers.names import DEFAULT, MODULES, base
from peers.rounds import Settings

NOT_DISPATCHED = ("torch-compile", "torch-sparse", "jax-pool", "tinygrad", "mlx")
"""Systems whose cost by the number of parameters is not measured: too slow to compile, or no other
than that of another."""


def names(text: str) -> list[str]:
    """What stands between commas."""
    return [name for name in text.split(",") if name]


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--systems", type=names, default=list(DEFAULT), help=f"of {', '.join(MODULES)}")
    add("--workloads", type=names, default=list(workloads.WORKLOADS))
    add("--rounds", type=int, default=3)
    add("--extra-rounds", type=int, default=0, help="more of them where some were disturbed")
    add("--threads", type=int, default=2)
    add("--seconds", type=float, default=1.0, help="window in which steps are timed")
    add("--steps", type=int, default=100_000, help="most steps in it")
    add("--timeout", type=float, default=240.0, help="seconds after which a process is ended")
    add("--dispatch", type=names, default=["10", "50", "200"], help="numbers of parameters; ''")
    add("--scaling", type=names, default=["adjoint"], help="systems measured on one thread too; ''")
    add("--rates", type=names, default=["mlp-wide"], help="workloads whose products are timed; ''")
    add("--no-peak", action="store_true", help="do not measure the rate of products")
    add("--verify", action="store_true", help="compare updates, measure nothing")
    add("--reference", default="torch", help="whose updates the others are compared with")
    add("--tolerance", type=float, default=5e-3, help="on their relative distance")
    add("--json", type=Path, help="write all that was measured to this file")
    add("--read", type=Path, help="measure nothing: report on such a file")
    add("--markdown", type=Path, help="write the report to this file")
    add("--write", type=Path, help="put the report into this page, between its marks")
    return parser


def measure(args: argparse.Namespace, doc: dict[str, Any], save: Any) -> None:
    """Fill the document."""
    with tempfile.TemporaryDirectory(prefix="steps-", ignore_cleanup_errors=True) as folder:
        settings = Settings(
            Path(folder) / "two",
            threads=args.threads,
            seconds=args.seconds,
            most=args.steps,
            rounds=args.rounds,
            extra=args.extra_rounds,
            timeout=args.timeout,
        )
        rounds.install_bytecode("adjoint")
        if not args.no_peak:
            doc["products"] = rounds.peak(args.systems, settings)
            rates = [rate for found in doc["products"].values() for rate in found.values()]
            doc["peak_gflops"] = max(rates, default=None)
        for w in args.workloads:
            doc["steps"][w] = rounds.cells(w, args.systems, settings)
            rounds.agree(doc["steps"][w], workloads.build(w).check_rtol)
            save()
        for w in [w for w in args.rates if w in args.workloads]:
            doc["rates"][w] = rounds.rates(w, args.systems, settings)
            save()
        dispatched = [
            s for s in {base(s): s for s in args.systems}.values() if base(s) not in NOT_DISPATCHED
        ]
        for count in args.dispatch:
            doc["dispatch"][count] = rounds.cells(f"dispatch-{count}", dispatched, settings)
            save()
        single = Settings(**{**vars(settings), "cache": Path(folder) / "one", "threads": 1})
        for w in args.workloads if args.scaling and args.threads > 1 else ():
            doc["one_thread"][w] = rounds.cells(w, args.scaling, single)
            save()


def command(given: Sequence[str]) -> str:
    """The command line, without the files that it writes."""
    kept: list[str] = []
    words = iter(given)
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("--json", "--markdown", "--write"):
            kept.append(word)
        elif not value:
            next(words, None)
    return shlex.join(["python", "benchmarks/steps.py", *kept])


def timed(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, or read what was measured."""
    if args.read:
        return json.loads(args.read.read_text(encoding="utf-8"))
    doc: dict[str, Any] = {
        "command": command(sys.argv[1:]),
        "machine": report.machine(),
        "settings": {n: getattr(args, n) for n in ("threads", "rounds", "seconds", "steps")},
        "systems": args.systems,
        "workloads": args.workloads,
        "steps": {},
        "rates": {},
        "dispatch": {},
        "one_thread": {},
    }

    def save() -> None:
        if args.json:
            args.json.write_text(json.dumps(doc, indent=1), encoding="utf-8")

    measure(args, doc, save)
    save()
    return doc


def verified(args: argparse.Namespace) -> tuple[str, bool]:
    """The table of updates, and whether all are the same."""
    options = args.systems, args.reference, args.tolerance, args.timeout
    found = {w: verify.compare(w, *options) for w in args.workloads}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    same = all(row["same"] for rows in found.values() for row in rows.values())
    return report.updates(found, args.reference), same


def main() -> int:
    """Run as the command line says."""
    parser = arguments()
    args = parser.parse_args()
    for name in [*args.systems, *args.scaling, args.reference]:
        if base(name) not in MODULES:
            parser.error(f"no system {name!r}; there are {', '.join(MODULES)}")
    for name in args.workloads:
        if name not in workloads.WORKLOADS:
            parser.error(f"no workload {name!r}; there are {', '.join(workloads.WORKLOADS)}")
    if args.verify:
        text, same = verified(args)
        section = "updates", "Is it the same work?", command(sys.argv[1:])
    else:
        doc = timed(args)
        text, same = report.Report(doc).text(), True
        section = "steps", "Training steps", doc["command"]
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.write:
        report.write_section(args.write, *section, text)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
