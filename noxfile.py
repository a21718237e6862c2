"""The project's habits, one session each; `nox -l` lists them, and CI runs nothing else."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "layers", "docs", "tests"]

OLDEST, NEWEST = "3.11", "3.14"


@nox.session(python=[OLDEST, NEWEST])
def tests(session: nox.Session) -> None:
    """Run the tests against the built package, on the oldest and the newest Python."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types: pyright those of the library, mypy what its users see of them."""
    session.install(".[dev,test]")
    session.run("pyright", *session.posargs)
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports point down."""
    session.install(".[dev]")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install(".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """Compare our numbers with those of other libraries."""
    session.install(".[test,peers]")
    session.run("python", "-m", "pytest", "-m", "peers", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmark scripts: `benchmarks/*.py`, those whose name starts with `_` excepted."""
    scripts = sorted(Path("benchmarks").glob("[!_]*.py"))
    if not scripts:
        session.skip("there is no benchmark script")
    session.install(".[bench]")
    for script in scripts:
        session.run("python", str(script), *session.posargs)


@nox.session(python=OLDEST, venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest releases that we promise to work with (needs uv)."""
    session.install("--resolution", "lowest-direct", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)
