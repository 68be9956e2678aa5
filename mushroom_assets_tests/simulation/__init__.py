"""Tests of the simulated plant: the truth it tells, the faults it adds, the pictures it takes."""
