"""Names of files of the artifacts report and canary, which are read without TFX too, and with it the types' modules."""

VERDICT_FILE = "verdict.json"
GATE_FILE = "gate.html"
CANARY_FILE = "canary.json"
MEASURED = ("num_requests", "max_difference", "latency_ms", "champion_latency_ms")
"""What `CANARY_FILE` holds; null where it was not measured."""
