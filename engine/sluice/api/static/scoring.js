// Asks the server for scores: after a pause in the typing, and one request at a time.

const PAUSE_MS = { text: 200, media: 500 };
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

/** What went wrong, for people. */
class Problem extends Error {
  constructor(message, retryMs = null, verdict = null) {
    super(message);
    this.retryMs = retryMs;
    this.verdict = verdict;
  }
}

export class Scoring {
  #timer = null;
  #controller = null;

  /** `listener`: busy(), scored(post, verdict), failed(message, willRetry), idle(). */
  constructor(listener) {
    this.listener = listener;
  }

  /** Score a post soon; a request that is under way for an older one is cancelled. */
  schedule(post) {
    this.cancel();
    if (!post.text && post.files.length === 0) {
      this.listener.idle();
      return;
    }
    this.#wait(post, post.files.length ? PAUSE_MS.media : PAUSE_MS.text);
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#controller?.abort();
    this.#controller = null;
  }

  #wait(post, milliseconds) {
    this.#timer = setTimeout(() => this.#run(post), milliseconds);
  }

  async #run(post) {
    const controller = new AbortController();
    this.#controller = controller;
    this.listener.busy();
    try {
      const verdict = await requestVerdict(post, controller.signal);
      this.listener.scored(post, verdict);
    } catch (error) {
      if (controller.signal.aborted) return;
      if (error.verdict) this.listener.scored(post, error.verdict);
      this.listener.failed(error.message, Boolean(error.retryMs));
      if (error.retryMs) this.#wait(post, error.retryMs);
    }
  }
}

/** The policy in force; rejects with a message for people. */
export async function requestPolicy() {
  return read(await reach("v1/policy", {}));
}

async function requestVerdict(post, signal) {
  return read(await reach(...describeRequest(post), signal));
}

function describeRequest(post) {
  if (post.files.length === 0) {
    const headers = { "Content-Type": "application/json" };
    return ["v1/posts?in_full=true", { method: "POST", headers, body: JSON.stringify({ text: post.text.toWellFormed() }) }];
  }
  const form = new FormData();
  if (post.text) form.append("text", post.text);
  for (const { kind, file } of post.files) form.append(kind === "image" ? "images" : "audio", file, file.name);
  return ["v1/posts:upload?in_full=true", { method: "POST", body: form }];
}

async function reach(path, options, signal) {
  try {
    return await fetch(path, { ...options, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer.", RETRY_MS);
  }
}

async function read(response) {
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const asked = Number(response.headers.get("Retry-After")) * 1000;
  const retryMs = [429, 503].includes(response.status) ? Math.min(Math.max(asked, RETRY_MS), MAX_RETRY_MS) : null;
  throw new Problem(explain(response.status, answer), retryMs, answer.verdict ?? null);
}

function explain(status, answer) {
  const detail = typeof answer.detail === "string" ? answer.detail : `status ${status}`;
  return {
    401: "The key is no longer accepted. Load the page again to sign in.",
    413: "That is more than this server takes in one request. Try smaller files.",
    504: "Not everything was scored in time.",
  }[status] ?? `The server says: ${detail}.`;
}
