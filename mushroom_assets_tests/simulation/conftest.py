"""Farms and feeds that the plant's tests share."""

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text


@pytest.fixture(scope="session")
def farm() -> Farm:
    return parse_farm(reference_farm_text())


@pytest.fixture(scope="session")
def brussels() -> Farm:
    return parse_farm(
        "{timezone: Europe/Brussels, first_day: 2026-01-01, rooms: {north: {}, '612': {}}}"
    )
