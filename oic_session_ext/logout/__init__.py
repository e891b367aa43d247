"""RP-Initiated, Front-Channel and Back-Channel Logout 1.0: the end-session request, its checks, its confirmation, its report."""
