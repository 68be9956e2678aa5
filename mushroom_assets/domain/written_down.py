"""A day's notes and pickings in words, as Markdown: what people typed breaks nothing around it."""

import datetime as dt
from collections.abc import Sequence

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import harmless
from mushroom_assets.domain.records import LONGEST_AUTHOR, LONGEST_NOTE, Harvest, Note
from mushroom_assets.domain.texts import say

NOTES_SHOWN = 20


def notes_told(notes: Sequence[Note], farm: Farm) -> str:
    """A day's notes, by the numbers that they have in its picture."""
    lines = [f"**{say('notes', farm, count=len(notes))}**", ""]
    for number, note in enumerate(notes[:NOTES_SHOWN], start=1):
        at = note.noted_at.astimezone(farm.zone)
        text = harmless(note.text, LONGEST_NOTE)
        author = harmless(note.author, LONGEST_AUTHOR)
        by = say("by", farm, author=author) if author else ""
        lines.append(f"- **{number}** {at:%H:%M} {text}{by}")
    if len(notes) > NOTES_SHOWN:
        lines += ["", say("more_notes", farm, count=len(notes) - NOTES_SHOWN)]
    return "\n".join(lines)


def harvests_told(harvests: Sequence[Harvest], day: dt.date, farm: Farm) -> str:
    """What was picked of some batches up to a day, a line each."""
    lines = [f"- {_of_batch(harvest, day, farm)}" for harvest in harvests]
    return "\n".join([f"**{say('harvest', farm)}**", "", *lines])


def _of_batch(harvest: Harvest, day: dt.date, farm: Farm) -> str:
    """A batch's kilos up to the day, and the day's own if there are any."""
    details = []
    today = [picking for picking in harvest.pickings if picking.picked_on == day]
    if today:
        details.append(say("picked_today", farm, weight=weight_text(today[0].weight_kg)))
    details.append(say("picked_on_days", farm, count=len(harvest.pickings)))
    if harvest.kg_per_bag is not None:
        details.append(say("kg_per_bag", farm, weight=harvest.kg_per_bag))
    told = say("comma", farm).join(details)
    weight = weight_text(harvest.weight_kg)
    return say("picked_of_batch", farm, batch=harvest.in_date, weight=weight, details=told)


def weight_text(weight_kg: float) -> str:
    """`1,812.5`: kilograms to a tenth."""
    return f"{weight_kg:,.1f}"
