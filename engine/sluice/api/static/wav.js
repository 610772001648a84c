// A recording as a WAV file: every server reads one, whatever the browser records in.

export const RATE_HZ = 16_000; // what the models read

/** Recorded bytes in the browser's own format → a WAV file of one channel. */
export async function convertToWav(recorded, name) {
  const decoded = await decode(recorded);
  const context = new OfflineAudioContext(1, Math.max(1, Math.ceil(decoded.duration * RATE_HZ)), RATE_HZ);
  const source = new AudioBufferSourceNode(context, { buffer: decoded });
  source.connect(context.destination);
  source.start();
  const rendered = await context.startRendering();
  return new File([encodeWav(rendered.getChannelData(0), RATE_HZ)], name, { type: "audio/wav" });
}

/** Sound of a file; rejects where the browser cannot read it. */
export async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  return context.decodeAudioData(await file.arrayBuffer());
}

/** Samples in [-1, 1] → 16-bit PCM behind a RIFF header. */
export function encodeWav(samples, rateHz) {
  const header = 44;
  const view = new DataView(new ArrayBuffer(header + samples.length * 2));
  const write = (offset, text) => [...text].forEach((letter, index) => view.setUint8(offset + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, header - 8 + samples.length * 2, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true); // bytes of a frame
  view.setUint16(34, 16, true); // bits of a sample
  write(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, index) => {
    const bounded = Math.max(-1, Math.min(1, sample));
    view.setInt16(header + index * 2, Math.round(bounded * 32_767), true);
  });
  return view.buffer;
}
