"""Files that the prediction log knows by their digest, wherever it is kept."""

from datetime import datetime, timedelta

import pytest

from battery import START, TwoStores
from leeway.errors import LeewayError

REPORT = {"rows": 3, "nights": [[1, "2025-03-01", 3]], "elsewhere": "", "census": False, "named": {"Tür": 1}}


def test_a_file_is_known_with_its_report_to_the_model_that_it_was_recorded_for(stores: TwoStores) -> None:
    assert stores.log.known_source("pets", "ab" * 32) is None
    stores.log.remember_source("pets", "ab" * 32, REPORT, now=START)
    assert stores.log.known_source("pets", "ab" * 32) == REPORT
    assert stores.log.known_source("pets", "cd" * 32) is None
    assert stores.log.known_source("birds", "ab" * 32) is None


def test_of_a_file_that_is_remembered_twice_the_first_report_stays(stores: TwoStores) -> None:
    stores.log.remember_source("pets", "ab" * 32, REPORT, now=START)
    stores.log.remember_source("pets", "ab" * 32, {"rows": 9}, now=START + timedelta(days=1))
    stores.log.remember_source("birds", "ab" * 32, {"rows": 9}, now=START)
    assert stores.log.known_source("pets", "ab" * 32) == REPORT
    assert stores.log.known_source("birds", "ab" * 32) == {"rows": 9}


def test_a_file_is_not_remembered_at_a_time_without_a_zone(stores: TwoStores) -> None:
    with pytest.raises(LeewayError):
        stores.log.remember_source("pets", "ab" * 32, REPORT, now=datetime(2025, 3, 1))  # noqa: DTZ001
    assert stores.log.known_source("pets", "ab" * 32) is None
