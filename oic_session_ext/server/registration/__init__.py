"""Dynamic client registration of the bundled server (OIDCREG)."""
