"""A simulated plant: climate, controllers and cameras with the faults of real feeds, and the truth
behind them.
"""
