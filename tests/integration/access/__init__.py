"""Who may see and do what in the dashboard and its API."""
