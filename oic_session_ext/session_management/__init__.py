"""OpenID Connect Session Management 1.0: `session_state`, `op_browser_state`, the browser cookies and the check-session iframe."""
