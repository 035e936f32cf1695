"""What is scraped."""
