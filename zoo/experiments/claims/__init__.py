"""The sentences people repeat about activations, each judged from published data.

| file | what it holds |
|---|---|
| `rules` | from published rows to a verdict and the effect behind it |
| `scales` | differences and claims on small images beside those on photographs |
| `page` | every claim of the studies, and what was expected against what was measured: `docs/claims.md` |

The claims themselves stand in their studies.
"""
