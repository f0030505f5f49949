"""Site profiles for batch queues, as YAML."""
