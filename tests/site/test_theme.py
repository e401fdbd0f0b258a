"""What the scripts of every page leave of the theme: its names of landmarks, and what it does where pages are opened from a folder."""

from collections import Counter


def test_opened_from_a_folder_no_search_box_is_left_that_cannot_answer(browser, site):
    page = browser.new_context().new_page()
    page.goto((site.folder / "questions" / "why.html").as_uri(), wait_until="load")
    page.wait_for_function("document.querySelector('[data-md-component=search]').hidden")
    assert not page.locator("input.md-search__input").is_visible()
    assert page.locator("article h1").is_visible()
    page.context.close()


def test_landmarks_keep_their_names_and_no_two_have_one(visit):
    page = visit("questions/why.html")
    page.wait_for_function("document.querySelector('nav[aria-label$=\", in the menu\"]')")
    names = page.locator("nav[aria-label]").evaluate_all(
        "all => all.map((nav) => nav.getAttribute('aria-label'))"
    )
    assert "Table of contents" in names and "Table of contents, in the menu" in names
    assert any(name.endswith(", in the menu") and "contents" not in name for name in names)
    assert [name for name, times in Counter(names).items() if times > 1] == []
