"""`adjoint train` beside scikit-learn's MLP, each with its defaults, on the same splits.

Five tables that come with scikit-learn are written to CSV. Each is divided in three quarters to
learn from and one quarter to test on (`train_test_split`, classes in proportion). Then each side
runs as a process of its own, from the start of the interpreter to the score:

- Adjoint: `adjoint train train.csv --target target --test test.csv`, nothing else;
- scikit-learn: reads the same files, `MLPClassifier()` or `MLPRegressor()`, `fit`, `score`;
- scikit-learn, scaled: the same behind a `StandardScaler`, which its manual recommends.

    python benchmarks/tabular.py --seeds 5

prints a table of mean scores on the test rows, and of median seconds: of the whole process, and
of the training alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
SKLEARN = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
train, test = (np.loadtxt(f, delimiter=",", skiprows=1) for f in sys.argv[1:3])
seed, scaled, regression = int(sys.argv[3]), sys.argv[4] == "1", sys.argv[5] == "1"
begin = time.perf_counter()
model = (MLPRegressor if regression else MLPClassifier)(random_state=seed)
if scaled:
    model = make_pipeline(StandardScaler(), model)
model.fit(train[:, :-1], train[:, -1])
seconds = time.perf_counter() - begin
print(json.dumps({"score": model.score(test[:, :-1], test[:, -1]), "seconds": seconds}))
"""


def write_split(name: str, seed: int, folder: Path) -> None:
    """The rows to learn from and to test on, as CSV files."""
    from sklearn.model_selection import train_test_split

    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    classes = None if name == "diabetes" else frame["target"]
    parts = train_test_split(frame, test_size=0.25, random_state=seed, stratify=classes)
    for part, file in zip(parts, ("train.csv", "test.csv"), strict=True):
        part.to_csv(folder / file, index=False)


def run(command: list[str], folder: Path) -> tuple[dict[str, object], float]:
    """What a process prints, as JSON, and its seconds."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), time.perf_counter() - begin


def adjoint(folder: Path, seed: int) -> tuple[float, float, float]:
    """Score, seconds of the process, seconds of the training."""
    program = "from adjoint.command import main; main()"
    given = ["train", "train.csv", "--target", "target", "--test", "test.csv"]
    out = ["--json", "--seed", str(seed), "--out", f"run{time.time_ns()}"]
    found, seconds = run([sys.executable, "-c", program, *given, *out], folder)
    test = found["test"]
    assert isinstance(test, dict)
    training = found["seconds"]
    assert isinstance(training, float)
    return test.get("accuracy", test.get("R²")), seconds, training


def sklearn(folder: Path, seed: int, scaled: bool, regression: bool) -> tuple[float, float, float]:
    """Score, seconds of the process, seconds of the training."""
    options = [str(seed), str(int(scaled)), str(int(regression))]
    found, seconds = run([sys.executable, "-c", SKLEARN, "train.csv", "test.csv", *options], folder)
    score, training = found["score"], found["seconds"]
    assert isinstance(score, float)
    assert isinstance(training, float)
    return score, seconds, training


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="adjoint train beside scikit-learn's MLP")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*", default=NAMES, choices=NAMES)
    options = parser.parse_args()
    print(f"mean of {options.seeds} splits; seconds: whole process (training alone), medians\n")
    print("| table | Adjoint | scikit-learn | scaled | Adjoint, s | scikit-learn, s | scaled, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in options.tables:
        results: list[list[tuple[float, float, float]]] = [[], [], []]
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                write_split(name, seed, folder)
                regression = name == "diabetes"
                results[0].append(adjoint(folder, seed))
                results[1].append(sklearn(folder, seed, False, regression))
                results[2].append(sklearn(folder, seed, True, regression))
        scores = [f"{statistics.mean(x[0] for x in side):.4f}" for side in results]
        times = [
            f"{statistics.median(x[1] for x in side):.2f} "
            f"({statistics.median(x[2] for x in side):.2f})"
            for side in results
        ]
        print(f"| {name} | {' | '.join(scores)} | {' | '.join(times)} |", flush=True)


if __name__ == "__main__":
    main()
