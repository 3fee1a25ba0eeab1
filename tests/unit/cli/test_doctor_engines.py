"""What the doctor says of the installed engines."""

import pytest

from api.doctor import Severity, check_engines


@pytest.mark.parametrize(
    ("native", "reference", "severity"),
    [(True, False, Severity.FINE), (False, True, Severity.SLOW), (False, False, Severity.WRONG)],
)
def test_the_engine_found_decides_how_serious_it_is(native: bool, reference: bool, severity: Severity) -> None:
    assert check_engines(native, reference).severity is severity
