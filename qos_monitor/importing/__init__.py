"""Takes rosters from elsewhere, files or other systems: each row keeps the place it came from, for its mistakes."""
