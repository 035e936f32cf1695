"""Every read: one function per question, own return types."""
