"""What every request passes before its route, and its reply on the way back."""
