"""What the simulated plant's people write is delivered at its hour, and once."""

import datetime as dt
from dataclasses import replace

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.simulated import Demo, deliver_day
from mushroom_assets.simulation.written_down import note, picking
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.harvest import read_pickings, remove_harvest
from mushroom_assets.storage.notes import read_notes, remove_note

DAY = dt.date(2025, 12, 30)  # the last of the batch that came into room 607 on the 4th


def test_it_comes_at_its_hour_and_what_somebody_took_away_stays_away(
    database: Database, farm: Farm
) -> None:
    seed = next(seed for seed in range(99) if note(farm, "607", DAY, seed))
    expected = note(farm, "607", DAY, seed)
    picked = picking(farm, "607", DAY, seed)
    assert expected is not None
    assert picked is not None
    begin = dt.datetime.combine(DAY, dt.time(), farm.zone)
    end = begin + dt.timedelta(days=1)
    state = Demo.begin(seed, DAY, None)
    found = []
    for now in (expected.noted_at, begin.replace(hour=17), end, end + dt.timedelta(hours=1)):
        deliver_day(database, farm, ["607"], DAY, state, now)
        state = replace(state, delivered_until=now)
        with database.transaction() as connection:
            notes = read_notes(connection, begin, end)
            pickings = read_pickings(connection, DAY, DAY)
            if now == end:
                remove_note(connection, notes[0].note_id)
                remove_harvest(connection, "607", picked.in_date, DAY)
        found.append(([each.text for each in notes], pickings))
    there = [expected.text]
    assert found == [([], []), (there, []), (there, [picked]), ([], [])]
