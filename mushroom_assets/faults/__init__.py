"""What an error means, what passes by itself, how long we wait."""
