"""A school that never was, with faults we know, played against the real service."""
