"""The HTTP layer of the bundled server: connections, client addresses, CORS, HSTS."""
