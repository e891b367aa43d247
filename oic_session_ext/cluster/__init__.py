"""What the servers on one store must share, and how secrets and keys are rotated on all of them."""
