"""What operators need: health, metrics, logs, stored keys and secrets, background work."""
