"""HTTP: what the farm's own server answers, and how it is served.

What is counted, judged and read lives in `service` and `storage`; no statement and no rule here.
"""
