"""A character GPT here and in PyTorch: the same shape, text, steps and first weights.

    python benchmarks/char_gpt.py                                  # prints a Markdown table
    python benchmarks/char_gpt.py --layers 2 --width 64 --steps 50 --rounds 1
    python benchmarks/char_gpt.py --systems adjoint,adjoint-eager,torch,torch-compile

The text is Python's own (`pydoc_data.topics`); its last tenth is for validation. Weights are drawn
once and given to every system as a safetensors file; batches follow from a seed. Each training is
a process of its own, and the rounds are interleaved over the systems. Times are of all steps after
the first, which compiles; the first is told apart. CPU time, of all threads, is what others on the
machine disturb least. What is kept on disk starts empty, so the first round is a cold start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

SYSTEMS = ("adjoint", "adjoint-eager", "torch", "torch-compile")
Array = np.ndarray[Any, Any]
Step = Callable[[Array, Array], float]


class Task:
    """The text as numbers, and the batches.

    Args:
        args: sizes, from the command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        from pydoc_data.topics import topics

        text = "\n".join(f"{name}\n{topics[name]}" for name in sorted(topics))
        characters = sorted(set(text))
        number = {c: i for i, c in enumerate(characters)}
        tokens = np.array([number[c] for c in text], np.int64)
        cut = len(tokens) * 9 // 10
        self.vocabulary = len(characters)
        self.parts = tokens[:cut], tokens[cut:]
        self.args = args

    def batch(self, part: int, number: int) -> tuple[Array, Array]:
        """Batch `number` of the training (0) or validation (1) text: tokens and the next ones."""
        args, tokens = self.args, self.parts[part]
        rng = np.random.default_rng([args.seed, part, number])
        starts = rng.integers(0, len(tokens) - args.block, args.batch)
        rows = tokens[starts[:, None] + np.arange(args.block + 1)]
        return rows[:, :-1].copy(), rows[:, 1:].copy()

    def sizes(self) -> dict[str, Any]:
        """Arguments of `ad.nn.GPT`."""
        args = self.args
        return {
            "vocab_size": self.vocabulary,
            "block_size": args.block,
            "layers": args.layers,
            "heads": args.heads,
            "width": args.width,
            "dropout": 0.0,
        }


# -- the systems -----------------------------------------------------------------------------------


def adjoint_system(task: Task, weights: Path, compiled: bool) -> tuple[Step, Step]:
    """Training step and validation loss of this library."""
    import adjoint as ad

    model = ad.nn.GPT(**task.sizes())
    model.load_state_dict(ad.load(weights))
    opt = ad.optim.AdamW(model, lr=task.args.lr, weight_decay=0.1)

    def loss_of(x: Any, y: Any) -> Any:
        logits = model(x)
        return ad.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        opt.step()
        return loss

    run = ad.compile(step) if compiled else step
    test = ad.no_grad()(ad.compile(loss_of) if compiled else loss_of)
    return (
        lambda x, y: run(ad.asarray(x), ad.asarray(y)).item(),
        lambda x, y: test(ad.asarray(x), ad.asarray(y)).item(),
    )


def torch_gpt(task: Task, weights: Path) -> tuple[Any, Callable[[Any], Any]]:
    """Parameters by name and the forward pass in PyTorch's functions."""
    import torch
    from safetensors.torch import load_file

    w = {name: x.requires_grad_() for name, x in load_file(weights).items()}
    f, heads, width = torch.nn.functional, task.args.heads, task.args.width

    def norm(x: Any, name: str) -> Any:
        return f.layer_norm(x, (width,), w[f"{name}.weight"], w[f"{name}.bias"])

    def project(x: Any, name: str) -> Any:
        # (in, out), as GPT-2 stores it; one product for all rows is the fast way
        flat = torch.addmm(w[f"{name}.bias"], x.view(-1, x.shape[-1]), w[f"{name}.weight"])
        return flat.view(*x.shape[:-1], -1)

    def block(x: Any, name: str) -> Any:
        n, length, _ = x.shape
        parts = project(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn").split(width, dim=-1)
        q, k, v = (part.view(n, length, heads, -1).transpose(1, 2) for part in parts)
        mixed = f.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(n, length, width)
        x = x + project(mixed, f"{name}.attn.c_proj")
        hidden = f.gelu(project(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc"), approximate="tanh")
        return x + project(hidden, f"{name}.mlp.c_proj")

    def forward(tokens: Any) -> Any:
        x = f.embedding(tokens, w["wte.weight"]) + w["wpe.weight"][: tokens.shape[1]]
        for i in range(task.args.layers):
            x = block(x, f"h.{i}")
        return f.linear(norm(x, "ln_f"), w["wte.weight"])

    return w, forward


def torch_system(task: Task, weights: Path, compiled: bool) -> tuple[Step, Step]:
    """Training step and validation loss of PyTorch."""
    import torch

    torch.set_num_threads(task.args.threads)
    w, forward = torch_gpt(task, weights)
    forward = torch.compile(forward) if compiled else forward
    opt = torch.optim.AdamW(w.values(), lr=task.args.lr, weight_decay=0.1, fused=True)

    def loss_of(x: Array, y: Array) -> Any:
        logits = forward(torch.from_numpy(x))
        target = torch.from_numpy(y).view(-1)
        return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), target)

    def step(x: Array, y: Array) -> float:
        opt.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        opt.step()
        return loss.item()

    def test(x: Array, y: Array) -> float:
        with torch.no_grad():
            return loss_of(x, y).item()

    return step, test


def train(task: Task, system: str, weights: Path) -> dict[str, Any]:
    """Train once: losses, and seconds of the first step and of the others."""
    name, _, kind = system.partition("-")
    if name == "adjoint":
        step, test = adjoint_system(task, weights, kind != "eager")
    else:
        step, test = torch_system(task, weights, kind == "compile")
    args = task.args
    before = perf_counter()
    losses = [step(*task.batch(0, 0))]
    first = perf_counter() - before
    times: list[float] = []
    busy = process_time()
    for k in range(1, args.steps):
        x, y = task.batch(0, k)
        before = perf_counter()
        losses.append(step(x, y))
        times.append(perf_counter() - before)
    busy = process_time() - busy
    found = [test(*task.batch(1, k)) for k in range(args.validation)]
    return {
        "first": first,
        "times": times,
        "busy": busy / max(1, len(times)),
        "losses": losses,
        "validation": float(np.mean(found)),
    }


# -- the comparison --------------------------------------------------------------------------------


def draw(task: Task, path: Path) -> int:
    """Write first weights; their number."""
    import adjoint as ad

    model = ad.nn.GPT(**task.sizes(), generator=ad.random.Generator(task.args.seed))
    ad.save(path, model)
    return sum(p.size for p in model.parameters())


def measure(args: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All rounds of all systems, each in a process of its own."""
    found: dict[str, list[dict[str, Any]]] = {system: [] for system in args.systems}
    threads = str(args.threads)
    environment = os.environ | {
        "OMP_NUM_THREADS": threads,
        "ADJOINT_NUM_THREADS": threads,
        "ADJOINT_CACHE_DIR": str(folder / "adjoint"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
    }
    for _ in range(args.rounds):
        for system in args.systems:
            command = [sys.executable, __file__, *sys.argv[1:], "--run", system]
            command += ["--folder", str(folder)]
            out = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            found[system].append(json.loads(out.stdout.splitlines()[-1]))
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """The results in Markdown; of the times, the best round."""
    lines = [
        "| system | validation loss | difference | ms a step | CPU ms a step | all, s | first, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    reference = found["torch"][0]["validation"] if "torch" in found else None
    for system, rounds in found.items():
        loss = rounds[0]["validation"]
        apart = "" if reference is None else f"{(loss - reference) / reference:+.3%}"
        step = min(statistics.median(r["times"]) for r in rounds)
        busy = min(r["busy"] for r in rounds)
        whole = min(sum(r["times"]) + r["first"] for r in rounds)
        first = " / ".join(f"{r['first']:.2f}" for r in rounds)
        lines.append(
            f"| {system} | {loss:.5f} | {apart} | {1e3 * step:.1f} | {1e3 * busy:.1f} "
            f"| {whole:.1f} | {first} |"
        )
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--systems", type=lambda text: text.split(","), default=["adjoint", "torch"])
    add("--layers", type=int, default=4)
    add("--heads", type=int, default=4)
    add("--width", type=int, default=128)
    add("--block", type=int, default=64, help="characters that the model sees at once")
    add("--batch", type=int, default=16)
    add("--steps", type=int, default=200)
    add("--validation", type=int, default=20, help="batches of the validation text")
    add("--lr", type=float, default=1e-3)
    add("--seed", type=int, default=0)
    add("--rounds", type=int, default=2)
    add("--threads", type=int, default=2)
    add("--json", type=Path, help="write all that was measured to this file")
    add("--run", help=argparse.SUPPRESS)
    add("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Run as the command line says."""
    parser = arguments()
    args = parser.parse_args()
    for system in args.systems:
        if system not in SYSTEMS:
            parser.error(f"no system {system!r}; there are {', '.join(SYSTEMS)}")
    task = Task(args)
    if args.run:
        print(json.dumps(train(task, args.run, args.folder / "weights.safetensors")))
        return 0
    with tempfile.TemporaryDirectory(prefix="char-gpt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        size = draw(task, folder / "weights.safetensors")
        found = measure(args, folder)
    if args.json:
        args.json.write_text(json.dumps(found), encoding="utf-8")
    print(
        f"{size:,} parameters, {args.layers} layers of width {args.width}, {args.steps} steps of "
        f"{args.batch} × {args.block} characters, {args.threads} threads\n"
    )
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
