"""Numbers of the domain -> small PNGs, by matplotlib. No reading, no computing, no Dagster.

A light ground whatever the theme of the page, as on paper; colours that the colour-blind tell
apart.
"""
