"""FastAPI, as https://fastapi.tiangolo.com/tutorial/body/ has it: a plain function per request, run on a thread."""

from __future__ import annotations

import argparse

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from sluice.bench.plain_model import PlainModel
from sluice.schema import Media, Post

app = FastAPI()
model = PlainModel()


class MediaIn(BaseModel):
    """A picture or a clip."""

    uri: str


class PostIn(BaseModel):
    """A post."""

    id: str
    text: str | None = None
    images: list[MediaIn] = []
    audio: list[MediaIn] = []


class Answered(BaseModel):
    """The answer."""

    post_id: str
    decision: str
    scores: dict[str, float]


@app.post("/score")
def score(post: PostIn) -> Answered:
    """Score one post."""
    images, audio = (tuple(Media(each.uri) for each in media) for media in (post.images, post.audio))
    (answer,) = model.score_posts([Post(id=post.id, text=post.text, images=images, audio=audio)])
    return Answered(post_id=answer.post_id, decision=answer.decision, scores=answer.scores)


@app.get("/ready")
def ready() -> bool:
    """Say that the model is loaded."""
    return True


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
