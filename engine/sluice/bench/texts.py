"""Texts of a seeded generator, as long as those of the training bundle. Mild, and made by us."""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence

SHARE_CHINESE = 0.37
"""Of the bundle's texts; the others are English."""
SHARE_HARSH = 0.04
"""Of sentences that are no plain everyday ones: a stream holds a few, and a text of many sentences one more often."""
SHARE_JOINED = 0.6
"""Of sentences that go on behind a comma: people write longer ones than ours."""
MARKS = ".!?。！？"

_SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)
_ENGLISH_LENGTHS = (2, 17, 24, 36, 49, 64, 83, 105, 130, 160, 225, 266, 422, 922, 3000)
_CHINESE_LENGTHS = (3, 9, 12, 17, 21, 25, 31, 39, 51, 67, 97, 117, 151, 271, 707)
"""Characters at those shares of the bundle's validation texts (7,542 English and 3,679 Chinese ones)."""

_ENGLISH = (
    "See you at {place} around {n}, bring the {thing} please.",
    "The train at {n} past was late again, so I walked to {place}.",
    "Does anybody sell a used {thing} for about {n} euros?",
    "Recipe {n}: two eggs, some flour, a little patience.",
    "My {person} finally fixed the {thing} and it only took {n} hours",
    "Can someone recommend a good {thing} under {n} dollars, thanks in advance",
    "Just finished chapter {n}, what an ending!",
    "we lost {n} to 2 but honestly the second half was fun to watch",
    "The new {thing} at {place} looks great in the morning light.",
    "Reminder: the meeting moved to room {n}, same time as last week.",
    "Thanks for all the birthday wishes, my {person} baked {n} muffins",
    "How do I reset the {thing}? I have tried it {n} times now.",
    "Weather for {place}: {n} degrees and a light wind from the west.",
    "I can't believe it is already week {n} of the semester",
    "Anyone else stuck near {place}? The queue has not moved for {n} minutes.",
    "Our {person} will be at {place} on day {n}, come and say hello.",
    "Update {n}: the update works, the {thing} does not, I give up for today",
    "lol that {thing} again, my {person} laughed for {n} minutes",
)
_ENGLISH_HARSH = (
    "You are an idiot and everybody at {place} knows it.",
    "What a stupid {thing}, whoever made it should be ashamed.",
    "Shut up, nobody asked you, number {n}.",
    "WIN a FREE {thing}!!! Click the link NOW, only {n} left",
    "I will find you at {place} and you will regret it.",
)
_CHINESE = (
    "今天的第{n}号菜是{thing}，味道不错。",
    "下午{n}点在{place}门口见，别忘了带{thing}。",
    "有人出二手{thing}吗？大概{n}块钱。",
    "我{person}昨天去了{place}，排队排了{n}分钟",
    "终于看完第{n}集了，结局真好。",
    "请问{thing}怎么重置？我试了{n}次都不行。",
    "{place}今天{n}度，风不大，适合散步。",
    "提醒一下，会议改到{n}号房间。",
    "谢谢大家，{person}做的{thing}特别好吃",
    "第{n}次坐过站了，哈哈",
)
_CHINESE_HARSH = (
    "你真是个笨蛋，{place}的人都知道。",
    "这{thing}做得太烂了，闭嘴吧。",
    "恭喜您获得免费{thing}，点击链接领取，仅剩{n}份！",
)
_ENGLISH_WORDS = {
    "place": ("the station", "the library", "the old bridge", "the harbour", "school", "the market", "the lake"),
    "thing": ("bicycle", "umbrella", "laptop", "coffee machine", "ticket", "camera", "jacket", "guitar", "router"),
    "person": ("neighbour", "sister", "coach", "teacher", "uncle", "colleague", "friend"),
}
_CHINESE_WORDS = {
    "place": ("车站", "图书馆", "公园", "学校", "市场", "湖边"),
    "thing": ("自行车", "雨伞", "电脑", "咖啡", "相机", "番茄炒蛋", "吉他"),
    "person": ("邻居", "姐姐", "教练", "老师", "同事", "朋友"),
}


def make_text(rng: random.Random) -> str:
    """A text in English or Chinese, its length drawn as the bundle's are."""
    if rng.random() < SHARE_CHINESE:
        length = draw_length(_CHINESE_LENGTHS, rng.random())
        return _compose(rng, length, "，", "", _CHINESE, _CHINESE_HARSH, _CHINESE_WORDS)
    length = draw_length(_ENGLISH_LENGTHS, rng.random())
    return _compose(rng, length, ",", " ", _ENGLISH, _ENGLISH_HARSH, _ENGLISH_WORDS)


def draw_length(lengths: Sequence[int], share: float) -> int:
    """Characters of the text at a share in [0, 1) of all, between the quantiles that are known."""
    place = max(1, bisect.bisect_right(_SHARES, share))
    left, right = _SHARES[place - 1], _SHARES[place]
    return round(lengths[place - 1] + (lengths[place] - lengths[place - 1]) * (share - left) / (right - left))


def _compose(
    rng: random.Random,
    length: int,
    comma: str,
    gap: str,
    plain: Sequence[str],
    harsh: Sequence[str],
    words: dict[str, tuple[str, ...]],
) -> str:
    """Sentences one after another, cut to the length from somewhere in the first: else short ones would be the same."""
    text, start = "", -1
    while start < 0 or len(text) < start + length:
        sentence = rng.choice(harsh if rng.random() < SHARE_HARSH else plain)
        chosen = {slot: rng.choice(options) for slot, options in words.items()}
        joined = text.rstrip(MARKS) + comma if text and rng.random() < SHARE_JOINED else text
        text = joined + (gap if text else "") + sentence.format(n=rng.randrange(2, 5_000), **chosen)
        if start < 0:
            start = text.find(gap, rng.randrange(len(text))) + len(gap)
            start = max(0, min(start, len(text) - 1))
    return text[start : start + length].strip() or text[start:]


def vary(rng: random.Random, text: str) -> str:
    """Nearly the same text, as people repeat one another: other case, other marks, something before or behind it."""
    changed = rng.choice((text.lower(), text.upper(), f"{text}!!", f"RT {text}", f"{text} {rng.randrange(100)}"))
    return changed if changed != text else f"{text}."
