"""One function for each table or figure of the papers."""
