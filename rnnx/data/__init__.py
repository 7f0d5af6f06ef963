"""Reading data: files of texts to rows."""
