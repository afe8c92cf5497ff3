import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.demo.arithmetic import solved


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ("2 + 2 * 3", "8"),
        ("What is (2 + 2) * 3?", "12"),
        ("please calculate 10 / 4", "2.5"),
        ("сколько будет 7 - 10?", "-3"),
        ("2^10 =", "1024"),
        ("2**3", "8"),
        ("4 \u00d7 5 \u2212 1", "19"),
        ("7 % 4", "3"),
        ("0.1 + 0.2", "0.3"),
    ],
)
def test_a_sum_is_solved(message: str, value: str):
    found = solved(message)
    assert found is not None
    assert found[1] == value


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "5",
        "3 3",
        "1/0",
        "9^9^9^9",
        "10^64^64",
        "1 (2)",
        "012+1",
        "import os",
        "f(1)+2",
        "1+" * 500,
    ],
)
def test_what_is_no_sum_or_has_no_value_is_left_alone(message: str):
    assert solved(message) is None


@given(st.text(alphabet="0123456789.+-*/()%^ =?", max_size=200))
@example("(-8)^0.5")
@example("9^64*9^64*9^64*9^64*9^64*9^64")
@example("(" * 100 + "1+1")
def test_no_expression_breaks_it(message: str):
    found = solved(message)
    assert found is None or found[1]


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_it_computes_as_python_does(a: int, b: int, c: int):
    found = solved(f"({a}) + ({b}) * ({c})")
    assert found is not None
    assert found[1] == str(a + b * c)
