"""The sentences people repeat about activations, each judged from published data.

| file | what it holds |
|---|---|
| `sentences` | the claims, as data: the sentence, the experiment that bears on it, the rule |
| `rules` | from published rows to a verdict and the effect behind it |
| `expected` | what the literature leads one to expect, what was measured, why they differ |
| `page` | both as Markdown, `docs/claims.md` |
"""
