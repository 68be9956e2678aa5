"""A second implementation of what a room's day was like, and the product held against it."""
