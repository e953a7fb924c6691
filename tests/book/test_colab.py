"""The Colab copies: every construct becomes plain Markdown, and nothing of it is lost."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from colab import leftover_directives, main, write_copies  # noqa: E402
from colab_book import ColabError  # noqa: E402
from colab_lint import leftovers  # noqa: E402

ADDRESS = "https://github.com/someone/book"
BIBLIOGRAPHY = r"""
@inproceedings{chen2018, author = {Chen, Ricky and Rubanova, Yulia and Bettencourt, Jesse},
  title = {Neural Ordinary Differential Equations}, booktitle = {NeurIPS}, year = {2018}}
@article{dormand1980, author = {Dormand, John and Prince, Peter}, title = {Embedded formulae},
  journal = {J. Comput. Appl. Math.}, year = {1980}}
@book{godel, author = {G{\"o}del, Kurt}, title = {Works}, publisher = {X}, year = {1931}}
"""
Convert = Callable[..., str]


def markdown(text: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(text)


def code(text: str, **metadata: object) -> NotebookNode:
    return nbformat.v4.new_code_cell(text, metadata=metadata)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book's folder with a bibliography, a picture and the package's description."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "dot.png").write_bytes(b"\x89PNG")
    (tmp_path / "_static" / "line.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "references.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    (tmp_path / "chapters" / "references.md").write_text("# Works cited\n", encoding="utf-8")
    source = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(source, encoding="utf-8")
    return tmp_path


def add(book: Path, *cells: NotebookNode, name: str = "01-first", **metadata: object) -> Path:
    notebook = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
    nbformat.write(notebook, book / "chapters" / f"{name}.ipynb")
    return book


def copies(
    book: Path, repository: str | None = None, ref: str | None = None
) -> dict[str, NotebookNode]:
    paths = write_copies(book, book / "out", repository, ref)
    for path in paths:
        assert leftover_directives(path) == []
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


@pytest.fixture
def convert(book: Path) -> Convert:
    """Return the text of the first chapter's copy, made from the given Markdown cells."""

    def run(*texts: str, repository: str | None = None) -> str:
        add(book, *map(markdown, texts))
        cells = copies(book, repository, "abc" if repository else None)["01-first"].cells
        return "\n\n".join(cell.source for cell in cells[1:])

    return run


def test_plain_markdown_keeps_its_very_text(convert: Convert) -> None:
    text = (
        "# Title\n\nA *word*, `{cite}` and $a_b$, a [link](https://x.org/a_b).\n\n"
        "$$\na = b\n$$\n\n| a | b |\n|---|---|\n| 1 | $x$ |\n\n"
        "````text\n```{note}\nshown\n```\n{eq}`x`\n````\n\n"
        "- one\n  - two\n\nText.\n\n    code {ref}`a`"
    )
    assert convert(text) == text


@pytest.mark.parametrize("name", ["note", "tip", "warning", "important"])
def test_admonitions_become_quotations(convert: Convert, name: str) -> None:
    said = convert(f"Before.\n```{{{name}}}\nMind *this*.\n\n- a\n- b\n```\nAfter.")
    title = name.title()
    assert said == f"Before.\n\n> **{title}**\n>\n> Mind *this*.\n>\n> - a\n> - b\n\nAfter."


def test_admonitions_with_titles_and_folds(convert: Convert) -> None:
    said = convert(
        ":::{admonition} A {math}`x` title\n:class: tip\nBody.\n:::\n\n"
        ":::{seealso}\nElsewhere.\n:::\n\n"
        "```{admonition} More <here>\n:class: dropdown\nHidden.\n```\n\n"
        "```{note}\n---\nclass: dropdown\n---\nFolded.\n```"
    )
    assert "> **A $x$ title**\n>\n> Body." in said
    assert "> **See also**\n>\n> Elsewhere." in said
    assert "<summary>More &lt;here&gt;</summary>\n\nHidden.\n\n</details>" in said
    assert "<summary>Note</summary>\n\nFolded." in said


def test_nested_fences_of_every_length(convert: Convert) -> None:
    said = convert(
        "`````{note}\nOuter.\n\n````{tip}\nInner.\n\n```python\nx = {1: 2}\n```\n````\n`````\n\n"
        "::::{warning}\n:::{note}\nDeep.\n:::\n::::"
    )
    assert "> **Note**\n>\n> Outer.\n>\n> > **Tip**\n> >\n> > Inner." in said
    assert "> > ```python\n> > x = {1: 2}\n> > ```" in said
    assert "> **Warning**\n>\n> > **Note**\n> >\n> > Deep." in said


def test_a_directive_in_a_list_stays_in_the_list(convert: Convert) -> None:
    said = convert("- item\n\n  ```{note}\n  Inside.\n  ```\n\n- next")
    assert said == "- item\n\n  > **Note**\n  >\n  > Inside.\n\n- next"


def test_theorems_have_numbers_titles_and_references(convert: Convert) -> None:
    said = convert(
        "# C\n\n```{prf:theorem} Euler's *order*\n:label: thm-order\n\nIt is\n\n"
        "$$\na\n= b\n$$\n```\n"
        "```{prf:proof}\nClear.\n```",
        "```{prf:definition}\n:label: def-flow\nA flow.\n```\n```{prf:theorem}\nAgain.\n```\n"
        "```{prf:algorithm} Step\n:nonumber:\n1. Do.\n```",
        "By {prf:ref}`thm-order`, {ref}`def-flow` and {numref}`Satz %s <thm-order>`.",
    )
    assert "> **Theorem 1.1** (Euler's *order*)\n>\n> It is\n>\n> $$ a = b $$" in said
    assert "> *Proof.*\n>\n> Clear." in said
    assert "**Definition 1.1**" in said
    assert "**Theorem 1.2**" in said
    assert "> **Algorithm** (Step)\n>\n> 1. Do." in said
    assert said.endswith("By Theorem 1.1, Definition 1.1 and Satz 1.1.")


def test_exercises_and_their_solutions(convert: Convert) -> None:
    said = convert(
        "```{exercise} Halve it\n:label: ex-halve\nHalve $h$.\n```",
        "````{solution} ex-halve\n:class: dropdown\nThe error halves:\n\n"
        "```python\nh / 2\n```\n````",
        "See {ref}`ex-halve`.",
    )
    assert "> **Exercise 1.1** (Halve it)\n>\n> Halve $h$." in said
    assert "<details>\n<summary>Solution to Exercise 1.1</summary>" in said
    assert "The error halves:\n\n```python\nh / 2\n```\n\n</details>" in said
    assert said.endswith("See Exercise 1.1.")


def test_an_exercise_may_bring_its_own_number(convert: Convert) -> None:
    said = convert(
        "```{exercise} 1.2 How large?\n:label: ex-a\n:nonumber:\nX\n```\n\n"
        "```{exercise} Free\n:label: ex-b\n:nonumber:\nY\n```\n\n{ref}`ex-a`, {ref}`ex-b`.\n\n"
        "```{solution} ex-a\nZ\n```"
    )
    assert "> **Exercise 1.2** (How large?)\n>\n> X" in said
    assert "> **Exercise** (Free)\n>\n> Y" in said
    assert "\n\nExercise 1.2, Exercise (Free).\n\n" in said
    assert "<summary>Solution to Exercise 1.2</summary>" in said


def test_gated_solutions_fold_text_and_code(book: Path) -> None:
    add(
        book,
        markdown("```{exercise-start} Gate\n:label: ex-gate\n```\nDo it.\n```{exercise-end}\n```"),
        code("stub = None"),
        markdown("```{solution-start} ex-gate\n:class: dropdown\n```"),
        code("answer = 42"),
        markdown("Why it is so."),
        code("%%time\nanswer + 1"),
        markdown("Last.\n\n```{solution-end}\n```\n\nAfter."),
        markdown("```{note}\nopen\n```"),
        code("free = True", tags=["hide-input"]),
    )
    cells = copies(book)["01-first"].cells[1:]
    assert cells[0].source == "**Exercise 1.1** (Gate)\n\nDo it."
    assert "cellView" not in cells[1].metadata
    assert cells[2].source == "*Solution to Exercise 1.1: folded away in the next cell.*"
    assert cells[3].source == "#@title Solution to Exercise 1.1\nanswer = 42"
    assert cells[3].metadata.cellView == "form"
    assert cells[3].metadata.jupyter.source_hidden is True
    folded = "<details>\n<summary>Solution to Exercise 1.1, continued</summary>\n\n"
    assert cells[4].source == f"{folded}Why it is so.\n\n</details>"
    assert cells[5].source == "%%time\nanswer + 1"
    assert cells[5].metadata.cellView == "form"
    assert cells[6].source == f"{folded}Last.\n\n</details>\n\nAfter."
    assert cells[7].source == "> **Note**\n>\n> open"
    assert cells[8].metadata.cellView == "form"


def test_equations_are_numbered_and_named(convert: Convert) -> None:
    said = convert(
        "$$\ny' = f(t, y)\n$$ (ode)\n\n```{math}\n:label: two\na &= b \\\\\nc &= d\n```\n\n"
        "\\begin{align}\nx &= y\n\\end{align}\n\nBy {eq}`ode` and {eq}`two`; $$z$$ too."
    )
    assert "$$\ny' = f(t, y) \\tag{1.1}\n$$" in said
    assert "$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned} \\tag{1.2}\n$$" in said
    assert "\\begin{aligned}\nx &= y\n\\end{aligned} \\tag{1.3}" in said
    assert said.endswith("By (1.1) and (1.2); $$z$$ too.")


def test_a_page_that_is_no_chapter_has_a_copy_and_plain_numbers(book: Path) -> None:
    add(book, markdown("# One\n\n$$\na = b\n$$ (first)"))
    add(book, markdown("$$\nc = d\n$$ (own)\n\nBy {eq}`own` and {eq}`first`."), name="lookup")
    made = copies(book)
    assert set(made) == {"01-first", "lookup"}
    said = made["lookup"].cells[1].source
    assert "\\tag{1}" in said
    assert said.endswith("By (1) and (1.1).")


def test_citations_are_names_that_lead_to_the_references(convert: Convert) -> None:
    said = convert(
        "# C\n\nBy {cite:t}`chen2018` and {cite}`dormand1980, godel`; {cite:p}`chen2018`."
    )
    assert "By [Chen et al. (2018)](#ref-chen2018) and " in said
    assert "([Dormand and Prince, 1980](#ref-dormand1980); [Gödel, 1931](#ref-godel))" in said
    assert "([Chen et al., 2018](#ref-chen2018))." in said
    references = said.split("## References\n\n")[1].split("\n")
    assert len(references) == 3
    assert '<a name="ref-chen2018"></a>' in said
    assert "Neural ordinary differential equations" in references[0]


def test_a_bibliography_stands_where_the_chapter_puts_it(convert: Convert) -> None:
    said = convert("{cite:t}`godel`\n\n## Sources\n\n```{bibliography}\n:filter: cited\n```")
    assert said.count('<a name="ref-godel"></a>') == 1
    assert "## References" not in said


def test_glued_values_are_written_out(book: Path) -> None:
    cell = code("glue('order', order)")
    prefix = "application/papermill.record/"
    values = [
        ("order", "text/plain", "0.98765"),
        ("word", "text/plain", "'matches'"),
        ("plot", "image/png", "iVBORw=="),
    ]
    cell.outputs = [
        nbformat.v4.new_output(
            "display_data",
            {f"{prefix}{kind}": value},
            metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        )
        for name, kind, value in values
    ]
    add(book, cell, markdown("It {glue}`word`: {glue:text}`order:.2f` against {glue}`order`."))
    copy = copies(book)["01-first"]
    assert copy.cells[2].source == "It matches: 0.99 against 0.98765."
    assert copy.cells[1].outputs == []
    for text, complaint in [
        ("{glue}`plot`", "'plot' is glued, but not as text"),
        ("{glue:text}`word:.2f`", "'word' is 'matches', which '.2f' does not format"),
    ]:
        add(book, cell, markdown(text))
        with pytest.raises(ColabError, match=complaint):
            copies(book)


def test_pictures_travel_with_the_copy(convert: Convert) -> None:
    text = (
        "```{figure} ../_static/dot.png\n:name: fig-one\n:alt: A dot\n:width: 50%\nA *dot*.\n\n"
        "More of it.\n```\n\n![inline](../_static/dot.png)\n\n```{image} /_static/line.svg\n```\n\n"
        "{numref}`fig-one`"
    )
    said = convert(text, repository=ADDRESS)
    assert '<img src="data:image/png;base64,iVBORw==" alt="A dot" width="50%">' in said
    assert "**Fig. 1.1** A *dot*.\n\nMore of it." in said
    assert "![inline](data:image/png;base64,iVBORw==)" in said
    assert "https://raw.githubusercontent.com/someone/book/abc/_static/line.svg" in said
    assert said.endswith("Fig. 1.1")


def test_code_is_shown_and_raw_text_is_dropped(convert: Convert) -> None:
    said = convert(
        "```{code-block} python\nx = {1: 2}\n```\n\n```{raw} latex\n\\newpage\n```\n\n"
        "````{code} text\n```\ninner\n```\n````"
    )
    assert said == "```python\nx = {1: 2}\n```\n\n\n````text\n```\ninner\n```\n````"


def test_the_cells_of_a_table_are_converted(convert: Convert) -> None:
    said = convert("$$\na\n$$ (e)\n\n| a {eq}`e` | {eq}`e` |\n|---|---|\n| `x \\| y` | {math}`2` |")
    assert said.endswith("| a (1.1) | (1.1) |\n|---|---|\n| `x \\| y` | $2$ |")


def test_code_roles_targets_and_comments(convert: Convert) -> None:
    said = convert(
        "# C\n\n% hidden\n\n(sec-a)=\n## Section {math}`a`\n\n"
        "See {ref}`sec-a`, {ref}`there <sec-a>`, "
        "[](#sec-a), [so](#sec-a), [thus](sec-a).\n+++\n"
        "{func}`nodelib.odeint`, {class}`~nodelib.ode.Solution`, "
        "{mod}`nodelib`. 0.42 % <!-- paper: Table 1 -->\n\n<!-- alone -->\n\n"
        "The end."
    )
    assert "## Section $a$\n\nSee Section $a$, there, Section $a$, so, thus." in said
    assert "`nodelib.odeint()`, `Solution`, `nodelib`. 0.42 %" in said
    assert "hidden" not in said
    assert "paper" not in said
    assert "alone" not in said
    assert said.endswith("The end.")


def test_a_term_of_the_glossary_is_shown_as_text(convert: Convert) -> None:
    said = convert(
        "# C\n\nA {term}`step`, two *{term}`steps <step>`*, **{term}`Hutchinson's estimate`**.\n\n"
        "| {term}`order` | {term}`slope <stage>` |\n|---|---|"
    )
    assert "A step, two *steps*, **Hutchinson's estimate**.\n\n" in said
    assert said.endswith("| order | slope |\n|---|---|")


@pytest.mark.parametrize("published", [True, False])
def test_links_to_other_chapters(book: Path, published: bool) -> None:
    text = (
        "# One\n\n[next](02-second.ipynb), {doc}`02-second`, {doc}`so <02-second>`, {eq}`far`, "
        "{doc}`references`, [the *end*](references.md)"
    )
    add(book, markdown(text))
    add(book, markdown("# Two\n\n$$\na\n$$ (far)"), name="02-second")
    said = copies(book, *((ADDRESS, "abc") if published else ()))["01-first"].cells[1].source
    url = f"https://colab.research.google.com/github/{ADDRESS[19:]}/blob/colab/chapters/02-second.ipynb"
    if published:
        assert f"[next]({url}), [Two]({url}), [so]({url}), [(2.1)]({url})" in said
        assert said.endswith("Works cited, the *end*")
    else:
        assert "next, Two, so, (2.1), Works cited, the *end*" in said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```{nosuch} x\nbody\n```", r"01-first\.ipynb, cell 2: the directive \{nosuch\}"),
        ("a {nosuch}`b`", r"01-first\.ipynb, cell 2: the role \{nosuch\}"),
        ("{ref}`nowhere`", "nothing in the book has the label 'nowhere'"),
        ("{cite}`nobody2000`", "references.bib has no entry 'nobody2000'"),
        ("{glue}`never`", "no stored output glues 'never'"),
        ("{doc}`nosuch`", "no document of the book"),
        ("[x](nosuch.ipynb)", "leads to no page"),
        ("[x](nosuch)", "leads to no page"),
        ("[x](../_static/line.svg)", "leads to no page"),
        ("$$\n\\begin{multline}a\\end{multline}\n$$", "the environment multline"),
        ("![x](nosuch.png)", "does not exist"),
        ("NFE\n: Evaluations.", "a definition"),
        ("a[^1]\n\n[^1]: foot", "cell 2: a footnote"),
        ("{{ name }}", "a substitution"),
        ("```{solution-end}\n```", "no {solution-start}"),
        ("```{exercise}\n:label: e\nx\n```\n\n```{solution-start} e\n```", "no {solution-end}"),
        ("(a)=\n# A\n\n(a)=\n# B", "defined twice"),
    ],
)
def test_what_cannot_be_converted_is_an_error_that_says_where(
    book: Path, text: str, complaint: str
) -> None:
    add(book, markdown("# C"), markdown(text))
    with pytest.raises(ColabError, match=complaint.replace("{sol", r"\{sol")):
        write_copies(book, book / "out", None, None)
    assert not (book / "out").exists()


@pytest.mark.parametrize(
    "text",
    [
        "```{note}\nx\n```",
        ":::{note}\nx\n:::",
        "a {cite}`b`",
        "(label)=\n# A",
        "by {eq}`a`",
        "$$\na\n$$ (label)",
        "$$a$$ (label)",
        "a <!-- b -->",
        "> ```{tip}\n> x\n> ```",
        "<details>\n\n{ref}`x`\n\n</details>",
        "{{ name }}",
        "+++",
        "{.class}\nx",
        "NFE\n: Evaluations.",
    ],
)
def test_the_lint_finds_what_is_left(text: str) -> None:
    assert list(leftovers(text)) != []


def test_the_lint_names_file_and_cell(tmp_path: Path) -> None:
    path = tmp_path / "copy.ipynb"
    cells = [code("'{cite}`a`'"), markdown("fine `{eq}`"), markdown("{eq}`a`")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert leftover_directives(path) == ["copy.ipynb, cell 3: a role is left: {eq}`a`"]


def test_metadata_that_colab_reads(book: Path) -> None:
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    add(book, code("1", mystnb={"image": {"alt": "x"}}, tags=["a"]), widgets=widgets)
    copy = copies(book)["01-first"]
    assert copy.metadata.accelerator == "GPU"
    assert copy.metadata.colab.name == "01-first.ipynb"
    assert copy.metadata.kernelspec.name == "python3"
    assert "widgets" not in copy.metadata
    assert copy.cells[1].metadata == {"tags": ["a"]}
    assert copy.cells[0].metadata.cellView == "form"
    nbformat.validate(copy)


def test_the_set_up_cell_installs_one_commit_and_only_what_colab_lacks(book: Path) -> None:
    add(book, markdown("# C"))
    (book / "requirements.lock").write_text("anywidget==0.9.13\nnumpy==1.0\n", encoding="utf-8")
    setup = copies(book, ADDRESS, "abc")["01-first"].cells[0].source
    assert f'SOURCE, REF = "git+{ADDRESS}", "abc"' in setup
    assert '"--no-deps"' in setup
    light = next(line for line in setup.split("\n") if line.startswith("LIGHT = "))
    assert json.loads(light.removeprefix("LIGHT = "))["anywidget"] == "anywidget==0.9.13"
    assert not {"torch", "numpy", "ipywidgets", "ipython"} & set(
        json.loads(light.removeprefix("LIGHT = "))
    )


def test_the_command_takes_its_address_from_the_published_place(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("BOOK_REPOSITORY_URL", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    add(book, markdown("# C"))
    out = book / "out"
    arguments = ["--root", str(book), "--out", str(out)]

    def setup() -> str:
        return str(nbformat.read(out / "chapters" / "01-first.ipynb", as_version=4).cells[0].source)

    assert main(arguments) == 0
    assert "SOURCE, REF = None, None" in setup()
    assert "made without a published address" in setup()
    assert "No published address is known" in capsys.readouterr().out
    subprocess.run(["git", "init", "-q", str(book)], check=True)
    origin = ["git", "-C", str(book), "remote", "add", "origin", "git@github.com:some/one.git"]
    subprocess.run(origin, check=True)
    assert main(arguments) == 1
    assert "no commit to install" in capsys.readouterr().err
    assert main([*arguments, "--ref", "v1"]) == 0
    assert 'SOURCE, REF = "git+https://github.com/some/one", "v1"' in setup()
    assert main([*arguments, "--ref", "v1", "--repository", "file:///somewhere.git"]) == 0
    assert 'SOURCE, REF = "git+file:///somewhere.git", "v1"' in setup()


def test_a_failing_chapter_makes_the_command_fail(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(book, markdown("{nosuch}`x`"))
    assert main(["--root", str(book), "--out", str(book / "out")]) == 1
    assert "01-first.ipynb, cell 1: the role {nosuch} is unknown" in capsys.readouterr().err
