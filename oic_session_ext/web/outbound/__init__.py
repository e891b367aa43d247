"""All HTTP requests of the OP to other servers: one client, with a deadline and limits for each request (docs/adr/0022)."""
