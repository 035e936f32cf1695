"""Every bad input of the list in the reliability notes, section 4, against the real poll; ids begin with its number."""
