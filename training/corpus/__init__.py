"""What the forge learns from."""
