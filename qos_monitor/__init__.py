"""The machine around the promise: it takes deliveries in, judges what is due, and files what is owed."""
