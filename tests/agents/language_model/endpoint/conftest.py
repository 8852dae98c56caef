import pytest

from tests.agents.language_model.toy import save_pretrained

from .server import serving


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    return save_pretrained(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def server(tiny_model):
    with serving(tiny_model) as running:
        yield running
