"""What the type checkers pass must also run."""

import pytest

from tests.typing import user_code


def test_the_typed_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    user_code.main()
    assert "shapes (2,) and (3,) do not broadcast" in capsys.readouterr().out
