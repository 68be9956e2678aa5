"""A simulated plant: climate, controllers and cameras, and the truth behind what they deliver.

Its feeds have the faults of real ones. Everything is a function of a seed; no clock, no database.
"""
