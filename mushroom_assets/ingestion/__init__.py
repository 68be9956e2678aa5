"""All that comes into the plant's tables: files, labels, the simulated plant."""
