"""The camera images: list, read and write files of a folder or an object store. No Dagster."""
