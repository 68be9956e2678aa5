"""What `make watch-test` runs: the alerts of a real farm by real Prometheus and Alertmanager."""
