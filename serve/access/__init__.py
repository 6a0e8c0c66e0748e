"""Who may do what, and how often: keys, scopes and rates."""
