"""What can be read off the built files without a browser."""

from pathlib import Path

from checks import broken_links, images_without_alt, third_party_references
from pages import PAGES


def test_every_page_of_the_contents_is_built(site: Path) -> None:
    assert [page for page in PAGES if not (site / page).is_file()] == []


def test_nothing_is_loaded_from_a_third_party(site: Path) -> None:
    assert third_party_references(site) == []


def test_every_image_has_a_text_alternative(site: Path) -> None:
    assert images_without_alt(site) == []


def test_every_link_inside_the_book_leads_somewhere(site: Path) -> None:
    assert broken_links(site) == []
