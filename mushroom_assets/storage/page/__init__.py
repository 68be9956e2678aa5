"""What the farm's page reads: newest reports, sensors now, moves, pictures, courses of batches.

Statements that answer a person who waits: each is bounded, by a room, by days or by an index.
"""
