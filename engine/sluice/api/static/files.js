// What people drop, choose or paste: which files are pictures, and which are clips.

const EXTENSIONS = {
  image: /\.(avif|bmp|gif|heic|heif|jpe?g|png|tiff?|webp)$/i,
  audio: /\.(3gp|aac|aiff?|amr|caf|flac|m4a|mp3|mp4|oga|ogg|opus|wav|weba|webm)$/i,
};

/** `image`, `audio`, or null for what is neither. */
export function findKind(file) {
  const [kind] = file.type.split("/");
  if (kind === "image" || kind === "audio") return kind;
  if (kind === "video") return "audio"; // what is said and heard in it
  return Object.keys(EXTENSIONS).find((each) => EXTENSIONS[each].test(file.name)) ?? null;
}

/** Tell `take(files)` of what is dropped anywhere on the page, or pasted. */
export function watchForFiles(sign, take) {
  let depth = 0; // entering a child comes before leaving its parent
  const show = (change) => {
    depth = Math.max(0, depth + change);
    sign.hidden = depth === 0;
  };
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && show(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && show(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    show(-depth);
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
}
