"""One short file a family of attacks: each factory returns a composition of parts."""
