"""What turns published data and built graphs into pages. Nothing here imports a backend.

Writing a page
==============
Pages are Markdown under `docs/`. Seven fences of our own do the rest. A fence holds a name on its first line and, where noted, `key: value`
lines below it. An unknown name stops the strict build; a name whose data is not published yet renders a box that
says so and shows the paper's numbers as the paper's.

    ```chart
    depth
    caption: Training loss of plain, original and pre-activation nets, 5 seeds each.
    ```

| fence | first line | what it renders |
|---|---|---|
| `chart` | figure name: an experiment, or `EXPERIMENT-PART` | the static SVG, the live chart on scroll, links to CSV and spec, a table of the rows; `caption:` |
| `results` | experiment | arms with mean, interval and runs; paired differences; or "not yet measured here" and the paper's table |
| `paper` | experiment | only the paper's table, as the paper's |
| `reproduce` | experiment | command, cost, data, spec, environment, checksum |
| `proof` | experiment | what is equal and what is not, from the published data |
| `diagram` | diagram name (below) | block diagram drawn from the built graph; `caption:` |
| `diagrams` | one diagram name a line | the same, side by side; wraps on a narrow screen |
| `math` | LaTeX | MathML made at build time; inline: `` `#!math y = W x + b` `` |
| `zoo-table` | nothing | the table of all models with their cards |
| `options-table` | nothing | families x options |

Diagrams (`scripts/make_docs.py` draws them; `docs/diagrams/NAME.svg`):
`unit-ORDERING` for the five residual orderings, `projection-ORDERING` for the unit that changes shape,
`plain-ORDERING` for `conv_act`, `conv_norm_act`, `conv_act_norm`, `norm_act_conv`; `form-separate`, `form-builtin`;
`shortcut-SHORTCUT` for every shortcut; `layout-LAYOUT` for the start of a pre-activation net in every layout; `pool-act_pool`, `pool-pool_act`.

Other habits
------------
- Code shown on a page lives in `docs/snippets/NAME.py` and is included with `--8<-- "NAME.py:section"`; the tests run each file.
  A fenced `python` block written directly in a page is run too, the blocks of one page in order, in one namespace.
- Tabs: `=== "Separate"`, `=== "Built-in"`, `=== "Pre-activation"`. Equal labels are linked across the whole site.
- Links between pages are relative `.md` links with anchors; the strict build checks both.
- Raw HTML that needs Markdown inside: `<div markdown>`. Cards in a row: `<div class="zoo-row" markdown>`.
- Scripts of one page go to `docs/javascripts/NAME.js` and are named in a `<script src="../javascripts/NAME.js" defer></script>` on that page only.
- Front matter `title:` is what search shows; put the reader's own words into the first heading or paragraph, because search weighs
  titles most. `search: {boost: 2}` in the front matter lifts a page.
"""
