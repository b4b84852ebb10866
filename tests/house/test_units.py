"""What people read and write: their own degrees, numbers without needless decimals."""

import pytest

from dobby.house.units import celsius, celsius_step, number, quantity


@pytest.mark.parametrize(
    ("value", "unit", "units", "language", "text"),
    [
        (21.5, "°C", "metric", "en", "21.5 °C"),
        (21.5, "°C", "metric", "de", "21,5 °C"),
        (21.11, "°C", "us", "en", "70 °F"),
        (68, "°F", "metric", "en", "20 °C"),
        (30, "%", "us", "en", "30 %"),
        (10, "km/h", "us", "en", "6.2 mph"),
        ("cloudy", "", "us", "en", "cloudy"),
        (7.25, "", "metric", "de", "7,25"),
    ],
)
def test_a_quantity_as_a_person_reads_it(value: object, unit: str, units: str, language: str, text: str) -> None:
    assert quantity(value, unit, units, language) == text  # type: ignore[arg-type]


def test_what_a_person_writes_becomes_celsius() -> None:
    assert celsius(72, "F") == pytest.approx(22.22)
    assert celsius(21, "C") == 21
    assert celsius_step(2, "F") == pytest.approx(1.11)


def test_numbers_have_no_needless_decimals() -> None:
    assert [number(value) for value in (20.0, 20.04, -0.01, 100)] == ["20", "20", "0", "100"]
