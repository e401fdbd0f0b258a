"""The sentences people repeat about activations, each judged from published data.

| file | what it holds |
|---|---|
| `rules` | from published rows to a verdict and the effect behind it |
| `page` | every claim of the studies, and what was expected against what was measured: `docs/claims.md` |

The claims themselves stand in their studies.
"""
