// The request of the page as others would write it.

const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g; // could steer a terminal
const escapeControl = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** JSON on one line, without a character that a terminal or an editor would act upon. */
export const writeJson = (value, indent) => JSON.stringify(value, null, indent).replace(CONTROLS, escapeControl);

/** One word of a shell. */
export const quoteShell = (text) => `'${text.replace(CONTROLS, "\ufffd").replaceAll("'", "'\\''")}'`;

const EXAMPLE = "See you at lunch";

/** What each tab shows, by its name; of no post yet, an example. */
export function writeCode({ origin, post: entered, verdict, needsKey }) {
  const post = entered.text || entered.files.length ? entered : { text: EXAMPLE, files: [] };
  return {
    curl: writeCurl(origin, post, needsKey),
    Python: writePython(origin, post, needsKey),
    Post: writeJson(describePost(post), 2),
    Verdict: verdict ? writeJson(verdict, 2) : "No verdict yet.",
  };
}

function describePost(post) {
  const uris = (kind) => post.files.filter((each) => each.kind === kind).map(({ file }) => ({ uri: `https://example.com/${encodeURIComponent(file.name)}` }));
  const described = { text: post.text.toWellFormed() };
  if (uris("image").length) described.images = uris("image");
  if (uris("audio").length) described.audio = uris("audio");
  return described;
}

function writeCurl(origin, post, needsKey) {
  const key = needsKey ? [`  -H "Authorization: Bearer $SLUICE_KEY"`] : [];
  if (post.files.length === 0) {
    const body = quoteShell(writeJson({ text: post.text.toWellFormed() }));
    return joinShell([`curl ${origin}/v1/posts`, ...key, "  -H 'Content-Type: application/json'", `  -d ${body}`]);
  }
  const text = post.text ? [`  --form-string ${quoteShell(`text=${post.text}`)}`] : [];
  const files = post.files.map(({ kind, file }) => `  -F ${quoteShell(`${fieldOf(kind)}=@"${quoteForm(file.name)}"`)}`);
  return joinShell([`curl ${origin}/v1/posts:upload`, ...key, ...text, ...files]);
}

const joinShell = (lines) => lines.join(" \\\n");
const fieldOf = (kind) => (kind === "image" ? "images" : "audio");
const quoteForm = (name) => name.replace(/["\\]/g, "\\$&");

function writePython(origin, post, needsKey) {
  const key = needsKey ? [`    headers={"Authorization": "Bearer " + os.environ["SLUICE_KEY"]},`] : [];
  const imports = needsKey ? ["import os", "", "import httpx", ""] : ["import httpx", ""];
  const text = `{"text": ${writeJson(post.text.toWellFormed())}}`;
  const files = post.files.map(({ kind, file }) => `        ("${fieldOf(kind)}", open(${writeJson(file.name)}, "rb")),`);
  const body = post.files.length
    ? [...(post.text ? [`    data=${text},`] : []), "    files=[", ...files, "    ],"]
    : [`    json=${text},`];
  const path = post.files.length ? "/v1/posts:upload" : "/v1/posts";
  return [...imports, "answer = httpx.post(", `    "${origin}${path}",`, ...key, ...body, ")", "print(answer.json())"].join("\n");
}

/** Thresholds as a policy file, for `sluice serve --policy`. */
export function writePolicy(policy, thresholds) {
  const entry = ({ review, block }) =>
    [["review", review], ["block", block]].filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name}: ${value}`).join(", ");
  const labels = Object.entries(thresholds).map(([label, each]) => `  ${label}: {${entry(each)}}`);
  return [`name: ${writeJson(policy.name)}`, `version: ${policy.version + 1}`, `unscored_part: ${policy.unscored_part}`,
    `unread_language: ${policy.unread_language}`, `urgent_self_harm: ${policy.urgent_self_harm ?? 0.8}`, "labels:", ...labels, ""].join("\n");
}
