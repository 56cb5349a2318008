"""`lingua demo`: everything at once, on recorded speech or with a page to speak into."""
