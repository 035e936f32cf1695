"""Where processes start: the Celery app, lifecycle, embedded servers, the CLI."""
