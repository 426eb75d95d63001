"""MiniLM (all-MiniLM-L6-v2): unit vectors of English texts."""
