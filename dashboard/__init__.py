"""What admins see: the JSON API and the pages, over models.queries."""
