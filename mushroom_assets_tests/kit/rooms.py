"""The rooms of the package, and which rooms each may import besides itself."""

# What a room, or a module beside the rooms, may import of the package besides itself: lowest first.
GROUND = {"domain", "faults", "logs"}
DATA = GROUND | {"storage", "image_store", "inference"}
DOORS = DATA | {"settings", "resources"}
MAY = {
    "": set(),  # the package itself
    "domain": set(),
    "faults": {"domain"},
    "logs": set(),
    "settings": GROUND,
    "partitions": GROUND,
    "simulation": GROUND,
    "storage": GROUND,
    "image_store": GROUND,
    "inference": GROUND,
    "resources": DATA | {"settings"},
    "metadata": GROUND | {"storage", "settings"},
    "instance": GROUND | {"partitions", "storage"},
    "ingestion": GROUND | {"storage", "image_store", "simulation"},
    "assets": DOORS | {"partitions", "metadata", "instance", "ingestion"},
    "checks": DOORS | {"partitions", "instance"},
    "automation": DOORS | {"partitions", "instance", "checks"},
    "event_storage": {"instance"},  # a former name, for one release
    "service": DOORS | {"partitions", "instance", "automation", "checks"},
    "web": DOORS | {"partitions", "service", "ingestion"},
    "definitions": DOORS | {"partitions", "instance", "assets", "checks", "metadata", "automation"},
}
MAY["cli"] = set(MAY)  # the front door opens on everything
