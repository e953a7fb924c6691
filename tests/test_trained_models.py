"""Trained models: published without pickle, loaded as they were, the paper's scale first."""

import json

import pytest
import torch

import nodelib
from nodelib import published
from nodelib.odenet import paper_network
from nodelib.published import UnknownModelError, facts_of, publish

NETWORK = {"name": "odenet", "channels": 8, "stem": "residual", "method": "rk4"}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    return tmp_path


def facts(scale):
    return {"network": NETWORK, "scale": scale, "seed": 1}


def test_a_model_comes_back_as_it_was():
    model = paper_network(**NETWORK).eval()
    publish("test/odenet", model, facts("laptop"))
    loaded = nodelib.load("test/odenet")
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(loaded(images), model(images))
    assert loaded.body.method == "rk4"
    assert not loaded.training
    assert facts_of("test/odenet") == facts("laptop")


def test_a_reduced_scale_never_replaces_the_paper_s():
    first, second = paper_network(**NETWORK), paper_network(**NETWORK)
    for model, scale, wanted in (
        (first, "laptop", first),
        (second, "laptop", second),
        (first, "paper", first),
        (second, "laptop", first),
        (second, "paper", second),
    ):
        publish("test/odenet", model, facts(scale))
        found = nodelib.load("test/odenet").state_dict()
        assert all(torch.equal(found[k], v) for k, v in wanted.state_dict().items())


def test_an_unknown_name_is_answered_with_those_that_there_are(results, monkeypatch):
    monkeypatch.setattr("nodelib.ledger.store.published", lambda: results)
    with pytest.raises(UnknownModelError, match=r"no model 'table9/x'\. There are: none yet"):
        nodelib.load("table9/x")
    publish("test/odenet", paper_network(**NETWORK), facts("laptop"))
    with pytest.raises(UnknownModelError, match="There are: test/odenet"):
        nodelib.load("table9/x")


def test_the_file_holds_a_json_header_and_numbers_and_no_pickle(results):
    model = paper_network(**NETWORK)
    publish("test/odenet", model, facts("laptop"))
    (path,) = (results / published.FOLDER).rglob("*.safetensors")
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert json.loads(header["__metadata__"]["facts"]) == facts("laptop")
    assert len(content) == 8 + size + 4 * sum(v.numel() for v in model.state_dict().values())
