"""What reproduces the paper: targets, each with a protocol fixed beforehand, and their runs."""
