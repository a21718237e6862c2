"""The user's line: every node knows the line outside of the library that made it."""

import _thread
import threading
import time
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.core.site import Site, here
from adjoint.ops.shape import Sum

THIS = "test_site.py"


def line_of(marker: str) -> int:
    with open(__file__, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.rstrip().endswith(f"# {marker}"):
                return number
    raise LookupError(marker)


def check(x: Any, marker: str, function: str) -> None:
    site = x.node.site
    assert str(site) == f"{THIS}:{line_of(marker)}"
    assert site.line == line_of(marker)
    assert site.function == function
    assert site.text.endswith(f"# {marker}")
    assert site.filename == __file__


def test_an_operator_notes_the_line_it_stands_on() -> None:
    x = ad.tensor([1.0, 2.0], requires_grad=True)  # made
    y = x * x  # operator
    check(x, "made", "test_an_operator_notes_the_line_it_stands_on")
    check(y, "operator", "test_an_operator_notes_the_line_it_stands_on")


def test_a_function_of_the_library_notes_the_line_of_its_caller() -> None:
    x = ad.tensor([1.0, 2.0])
    y = ad.multiply(x, 2.0)  # function
    z = Sum((0,))(y)  # card
    check(y, "function", "test_a_function_of_the_library_notes_the_line_of_its_caller")
    check(z, "card", "test_a_function_of_the_library_notes_the_line_of_its_caller")


def test_a_helper_of_the_user_is_the_user() -> None:
    def double(x: Any) -> Any:
        return x + x  # helper

    check(double(ad.tensor(1.0)), "helper", "double")


def test_lines_of_several_operations_on_one_expression() -> None:
    x = ad.tensor(1.0, requires_grad=True)
    y = (
        x * x  # first
        + x / 2.0  # second
    )
    product, quotient = y.node.inputs
    assert product.site.line in (line_of("first") - 1, line_of("first"))
    assert quotient.site.line == line_of("second")


def test_a_gradient_operation_has_the_line_of_the_forward_operation() -> None:
    x = ad.tensor(3.0, requires_grad=True)
    y = x * x  # forward
    y.backward(create_graph=True)
    seen = {n.site.line for n in _nodes(x.grad.node) if n.op is not None}
    assert line_of("forward") in seen


def _nodes(node: Any) -> list[Any]:
    found, stack = [], [node]
    while stack:
        n = stack.pop()
        if n in found:
            continue
        found.append(n)
        stack += [i for i in n.inputs if hasattr(i, "inputs")]
    return found


def test_a_call_of_numpy_notes_the_line_of_its_caller() -> None:
    x = ad.tensor([1.0])
    if not hasattr(x, "__array_ufunc__"):
        return
    y = np.multiply(x, 2.0)  # through numpy
    check(y, "through numpy", "test_a_call_of_numpy_notes_the_line_of_its_caller")


def test_code_without_source_has_a_place_but_no_text() -> None:
    space: dict[str, Any] = {"ad": ad}
    exec(compile("y = ad.tensor(1.0) + 1.0", "<typed>", "exec"), space)
    site = space["y"].node.site
    assert str(site) == "<typed>:1"
    assert site.text == ""
    assert site.function == "<module>"


def test_here_is_the_line_that_asks() -> None:
    def ask() -> Site:
        return here(1)

    assert ask().function == "ask"


def test_a_thread_notes_its_own_lines() -> None:
    made: list[Any] = []

    def work() -> None:
        made.append(ad.tensor(1.0) + 1.0)  # in a thread

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    check(made[0], "in a thread", "work")


def test_a_call_without_a_python_frame_beneath_works() -> None:
    # as programs that embed Python call: here the list, in a thread that begins with it
    found: list[Any] = []
    calls = ((ad.tanh, ad.tensor([1.0, 2.0], requires_grad=True)), (ad.tensor, [1.0, 2.0]))
    for function, x in calls:
        _thread.start_new_thread(found.extend, (map(function, [x]),))
    deadline = time.monotonic() + 10
    while len(found) < len(calls) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(found) == len(calls)
    assert all(x.node.site.filename for x in found)
