"""What cannot be built, refused with the reason: a file for each subject, and the text is where the option is.

| file | options it refuses |
|---|---|
| `family` | `family`, `stages`, `stem`, and what a family beyond plain and residual nets fixes |
| `own_options` | the options that single families have: `alpha`, `activations_per_block`, `merged` and so on |
| `input_and_head` | `input_shape`, `include_preprocessing`, `include_top`, `classes`, `width`, `pooling` |
| `activation` | `activation` of single stages, `activated` |
| `ordering` | `ordering` |
| `normalization` | `normalization` |
| `form` | `form` |
| `residual` | `shortcut` and its parameters, `block`, `rolled` |
| `layout` | `layout` |
| `pooling_layers` | `padding`, `downsampling`, `pooling_order` |

A function refuses one thing; `UnitSpec` and `ModelSpec` list those that they call, in their order, when one is made.
"""
