"""Who may do what here, how often, and what they did."""
