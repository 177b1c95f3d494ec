"""The tables and figures of Pochimireddy, Siripuram & Channappayya."""
