"""Which earlier batches a report shows, and which reports show a room's day."""

import datetime as dt
import random

from mushroom_assets.domain.peers import RoomAge, quoted, quoting

NEW_YEAR = dt.date(2026, 1, 1)


def age(day: int, room: str = "A", growth_day: int | None = 5) -> RoomAge:
    return RoomAge(NEW_YEAR + dt.timedelta(days=day), room, growth_day, NEW_YEAR)


def test_its_own_room_comes_first_then_the_latest_elsewhere_three_at_most() -> None:
    own = age(500)
    others = [age(20), age(120), age(499, "B"), age(400, "C"), age(300, "B"), age(100)]
    others += [age(500, "B"), age(501), age(99), age(499, "C", 6)]  # 99: more than 400 days before
    assert quoted(own, others) == [age(120), age(100), age(499, "B")]


def test_the_days_whose_reports_would_be_others_without_some_are_those_that_quote_them() -> None:
    chance = random.Random(7)
    for _ in range(50):
        known = [
            age(chance.randrange(900), chance.choice("ABC"), chance.choice([4, 5, None]))
            for _ in range(40)
        ]
        changed = set(chance.sample(known, 4))
        left = [one for one in known if one not in changed]
        by_hand = set()
        for one in known:
            if one.growth_day is None:  # a report of such a day quotes none
                continue
            if quoted(one, known) != quoted(one, left):
                by_hand.add(one.day)
        assert quoting(changed, known) == by_hand
