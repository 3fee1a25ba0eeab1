"""Reports to pages, pages to an index, questions to pages with quotes that really stand there."""
