"""What the build does to a page, without a build."""

import pytest

from zoo.site import hooks


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("Loss(from_logits=True)", "Loss(<wbr>from_<wbr>logits=<wbr>True)"),
        ("SparseCategoricalCrossentropy()", "Sparse<wbr>Categorical<wbr>Crossentropy()"),
        ("scripts/reproduce.py run form", "scripts/reproduce.py run form"),
        ("f(a=1)", "f(a=1)"),  # short enough
    ],
)
def test_long_code_in_a_cell_may_go_on_in_the_next_line(code, shown):
    page = f"<p><code>{code}</code></p><table><tr><td>a <code>{code}</code></td><td>b</td></tr></table>"
    after = hooks.on_post_page(page)
    assert f"<td>a <code>{shown}</code>" in after and f"<p><code>{code}</code></p>" in after
