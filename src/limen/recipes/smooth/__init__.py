"""The tables and figures of Zhang, Avrithis, Furon & Amsaleg."""
