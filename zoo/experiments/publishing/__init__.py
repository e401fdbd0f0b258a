"""From runs to what is published of them: tidy rows, statistics, figures, and whether they still hold."""
