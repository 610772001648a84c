"""Models from a folder: what is taken, and what is refused."""

import json

import pytest
import torch
from tokenizers import Tokenizer, processors

from sluice.features.text import END, START
from sluice_models.adopting.encoders import AdoptedText, AdoptError
from sluice_models.adopting.folder import FREQUENT_HAN, load_folder, rename_specials
from tests.models.adopting.miniatures import MILD, make_tokenizer, save_bert

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_the_adopted_models_own_weights_stay_as_they_are(bert):
    from transformers import BertModel

    adopted, _ = load_folder(bert, english_only=True)
    assert isinstance(adopted, AdoptedText)
    own = BertModel.from_pretrained(bert, attn_implementation="eager").eval()
    ids, mask = torch.tensor([[2, 60, 61, 3]]), torch.ones(1, 4, dtype=torch.long)
    torch.testing.assert_close(adopted.read(ids, mask), own(input_ids=ids, attention_mask=mask).last_hidden_state)
    assert not [name for name, weight in adopted.body.named_parameters() if weight.requires_grad]
    assert [name for name, weight in adopted.heads.named_parameters() if weight.requires_grad]


def test_names_of_special_tokens_are_those_that_the_engine_looks_for():
    content = json.loads(make_tokenizer(around=("[CLS]", "[SEP]")).to_str())
    renamed = Tokenizer.from_str(json.dumps(rename_specials(content)))
    assert (renamed.token_to_id(START), renamed.token_to_id(END)) == (2, 3)
    assert renamed.token_to_id("[CLS]") is None
    before = Tokenizer.from_str(json.dumps(content))
    assert renamed.encode(MILD[0]).ids == before.encode(MILD[0]).ids


def test_a_tokenizer_that_cannot_spell_chinese_is_refused_unless_nobody_writes_it(bert, tmp_path):
    with pytest.raises(AdoptError, match=r"spells 0% .*--english-only"):
        load_folder(bert, english_only=False)
    able = save_bert(tmp_path, make_tokenizer(extra=FREQUENT_HAN), vocab_size=500)
    adopted, content = load_folder(able, english_only=False)
    assert isinstance(adopted, AdoptedText)
    assert "的" in content["model"]["vocab"]


def without(file):
    return lambda folder: (folder / file).unlink()


def rewritten(file, content):
    return lambda folder: (folder / file).write_text(content)


def no_specials(folder):
    tokenizer = make_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("changes", "spoil", "said"),
    [
        ({}, without("config.json"), r"config\.json does not exist"),
        ({}, without("model.safetensors"), r"no \.safetensors"),
        ({}, without("tokenizer.json"), r"tokenizer\.json does not exist"),
        ({}, rewritten("config.json", "[1"), r"config\.json cannot be read"),
        ({}, rewritten("config.json", '{"model_type": "no such"}'), "transformers cannot load it"),
        ({}, rewritten("tokenizer.json", "{}"), r"tokenizer\.json cannot be read"),
        ({}, no_specials, "one token before and one behind"),
        ({"max_position_embeddings": 64}, None, r"does not read rows of \(2, 128\)"),
        ({"vocab_size": 40}, None, "the tokenizer has .* words, the model 40"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_with_the_reason(tmp_path, changes, spoil, said):
    folder = save_bert(tmp_path, make_tokenizer(), **changes)
    if spoil:
        spoil(folder)
    with pytest.raises(AdoptError, match=said):
        load_folder(folder, english_only=True)
