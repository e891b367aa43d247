"""Operations: health, metrics, logs, storage of keys and secrets, background work."""
