"""What turns published data and built graphs into pages. Nothing here imports a backend.

Writing a page
==============
Pages are Markdown under `docs/`; fences of our own do the rest. A fence holds a name on its first line and,
where the table says so, `caption: TEXT` below it. A name that does not exist stops the strict build. A name
whose data is not published yet renders a box that says so and shows the paper's numbers as the paper's.

    ```chart
    depth
    caption: Training loss of plain, original and pre-activation nets, 5 seeds each.
    ```

| fence | first line | renders |
|---|---|---|
| `chart` | `EXPERIMENT[-PART]` | static SVG, live when scrolled to; CSV, spec, rows; `caption:` |
| `results` | experiment | arms with mean, interval and runs; paired differences |
| `paper` | experiment | only the paper's table, as the paper's |
| `reproduce` | experiment | command, cost, data, spec, environment, checksum |
| `proof` | experiment | what is equal and what is not, from the published data |
| `photographs` | study, and lines `FIGURE: CAPTION` | its experiments on photographs, as far as they are published; else nothing |
| `side-by-side` | nothing | every difference and claim that is measured on small images and on photographs |
| `to-be-run` | nothing | what is specified and not published yet, in the order of priority |
| `diagram` | diagram name (below) | block diagram drawn from the built graph; `caption:` |
| `diagrams` | one diagram name a line | the same, side by side; wraps on a narrow screen |
| `math` | LaTeX | MathML made at build time; a double quad parts it in two; within a sentence `` `#!math y = W x + b` `` |
| `n` | within a sentence `` `#!n EXPERIMENT: QUESTION` `` | a published number; `zoo.experiments.publishing.quotes` lists the questions |
| `zoo-table` | nothing | every model, a row each |
| `zoo-cards` | `plain`, `residual` or `families` | a card for each model of a kind |
| `api-index` | one page of `docs/api` a line | the names on each, with what their docstrings say first |
| `options-table` | nothing | families x options |

Diagrams (`scripts/make_docs.py` draws them as `docs/diagrams/NAME.svg`):

- `unit-ORDERING` and `bottleneck-ORDERING` for the five residual orderings; `projection-ORDERING` for the unit that changes the shape;
- `plain-ORDERING` for each of `zoo.orderings("plain")`;
- `form-separate`, `form-builtin`; `pool-act_pool`, `pool-pool_act`;
- `shortcut-SHORTCUT` for every shortcut;
- `layout-LAYOUT` for stem and first unit of a pre-activation net, `stride-LAYOUT` for its unit that halves
  the resolution; marked where they differ from `he2016`;
- `family-FAMILY` for a unit of each family beyond plain and residual nets, and some variants of them;
  `normalization-NORMALIZATION` for what takes the place of batch normalisation, and
  `normalization-skipinit-pre_activation`; `mixed` for a net with a function a stage.

Pictures (`scripts/make_pictures.py` draws them from tensors, `zoo.site.shapes` has the pieces): `functions`,
`convolution`, `convolution-stride`, `convolution-padding`, `convolution-channels`, `maps`; and by `scripts/make_try.py`
`train-PLACEMENT` and `spiral`, by `scripts/make_surgeon.py` `surgeon-NET`.

Other habits
------------
- A question page has a notebook twin, made from it when the site is built (`zoo.site.notebooks`): a fence that no
  cell can show stops the build.
- Code shown on several pages lives in `docs/snippets/NAME.py`, included with `--8<-- "NAME.py:code"`; the
  tests run each file. Fenced `python` blocks of one page are run too, in order, in one namespace.
- Tabs: `=== "Separate"`, `=== "Built-in"`, `=== "Pre-activation"`. Equal labels are linked across the site.
- Links between pages are relative `.md` links with anchors; the strict build checks both.
- Raw HTML that needs Markdown inside: `<div markdown>`. Things in a row: `<div class="zoo-row" markdown>`.
- A page's own script goes to `docs/javascripts/NAME.js` and is loaded by that page alone:
  `<script src="../javascripts/NAME.js" defer></script>`.
- Search weighs titles and headings most: put the reader's own words there. `search: {boost: 2}` in the front
  matter lifts a page.
- Colours are the variables of `docs/stylesheets/zoo.css` (`--zoo-ink`, `--zoo-act` ...), never literal.
"""
