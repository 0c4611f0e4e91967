#!/usr/bin/env python3
"""Records what transformers writes for conversations and for pieces of template language.

    python record.py                 # answers.json and language.json beside this file
    python record.py FOLDER          # answers.json for the templates in FOLDER/templates, with this folder's conversations.json

Needs transformers 5.23 and jinja2 3.1.6. answers.json: for every file in templates/ and every conversation in conversations.json the text, what
{% generation %} marks in it (bytes of UTF-8), or the error: {"raised": message} for raise_exception, {"failed": message} for any other. "strftime" is what
strftime_now gave for each format. masks.json: tokens and assistant masks of own-marked.jinja with the tokenizers of ../models. language.json: the templates of language.txt, divided by lines of ====, with what they write or that they fail.
"""

import datetime
import json
import os
import re
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils as utils

HERE = os.path.dirname(os.path.abspath(__file__))
formats = {}


class Clock(datetime.datetime):
    """Stands still, and notes what it was asked for."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 4, 5, 6, 7)

    def strftime(self, format):
        formats[format] = super().strftime(format)
        return formats[format]


utils.datetime = Clock


def rendered(template, messages, tokens, tools=None, documents=None, variables={}, add_generation_prompt=True):
    messages = [{k: v for k, v in m.items() if v is not None} for m in messages]
    raised = []
    try:
        marks = bool(re.search(r"\{%-?\s*generation\s*-?%\}", template))
        texts, marked = utils.render_jinja_template(
            [messages], tools=tools, documents=documents, chat_template=template, return_assistant_tokens_mask=marks,
            add_generation_prompt=add_generation_prompt, **{**tokens, **variables})
    except jinja2.exceptions.TemplateError as error:
        return {"raised" if type(error) is jinja2.exceptions.TemplateError else "failed": str(error)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    answer = {"text": texts[0]}
    if marks:
        answer["generations"] = [[len(texts[0][:i].encode()) for i in pair] for pair in marked[0]]
    return answer


def answers(folder, source):
    result = {}
    for name in sorted(os.listdir(f"{folder}/templates")):
        if not name.endswith(".jinja"):
            continue
        template = open(f"{folder}/templates/{name}", encoding="utf-8", newline="").read()
        result[name] = {}
        for title, conversation in source["conversations"].items():
            result[name][title] = rendered(
                template, conversation["messages"], source["tokens"],
                tools=[source["tools"][t] for t in conversation["tools"]] if "tools" in conversation else None,
                documents=conversation.get("documents"), variables=conversation.get("variables", {}),
                add_generation_prompt=conversation.get("add_generation_prompt", True))
    return {"strftime": formats, "answers": result}


def language(text, source):
    variables = {**source["conversations"]["tool call"], "tools": [source["tools"]["weather"]]}
    cases = []
    for template in text.split("\n====\n"):
        answer = rendered(template, variables["messages"], source["tokens"], tools=variables["tools"])
        cases.append({"template": template, **answer})
    return cases


def masks(source):
    template = open(f"{HERE}/templates/own-marked.jinja", encoding="utf-8").read()
    result = []
    for model in ["llama", "llama31"]:
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{HERE}/../models/{model}/model/tokenizer.json", **source["tokens"])
        for title in ["user", "turns", "answered", "three answers", "assistant first", "marked text"]:
            messages = source["conversations"][title]["messages"]
            answer = tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            result.append({"model": model, "conversation": title, "ids": answer["input_ids"], "mask": answer["assistant_masks"]})
    return result


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


source = json.load(open(f"{HERE}/conversations.json", encoding="utf-8"))
folder = sys.argv[1] if len(sys.argv) > 1 else HERE
write(f"{folder}/answers.json", answers(folder, source))
if folder == HERE:
    write(f"{HERE}/masks.json", masks(source))
    write(f"{HERE}/language.json", language(open(f"{HERE}/language.txt", encoding="utf-8").read().rstrip("\n"), source))
