"""`daily_energy`: a day's rows of a real run, by a sum on paper."""

from mushroom_assets_tests.kit.plant import put_samples
from mushroom_assets_tests.kit.small import SmallFarm

DAY = "2026-01-05"


def test_a_cooler_that_is_on_for_two_of_three_known_hours(small: SmallFarm) -> None:
    cooler = ("A", "air_cooler", "air_cooler_A", "on_off")
    quarters = [small.at(DAY, quarter / 4) for quarter in range(12)]  # 0:00 to 2:45, each held 15'
    put_samples(small.database, [(*cooler, at, float(n < 8)) for n, at in enumerate(quarters)])
    assert small.run("daily_energy", DAY).success
    on, off = small.rows("daily_energy")
    assert (on["room_id"], on["hours_on"], on["coverage"]) == ("A", 2.0, 3 / 24)
    assert (off["room_id"], off["hours_on"], off["coverage"]) == ("B", None, 0.0)
