// Owns the frames of one socket that wait for their turn, and when they are too many (SO6). It reads none of them.

/** A text frame and its size in bytes. */
type Frame = { readonly text: string; readonly bytes: number };

/** Frames, and bytes of them, that wait before the socket is no longer read. */
const mostFrames = 64;
const mostBytes = 512 * 1024;

export class Inbox {
  /** Made at need: an idle socket has none. */
  #frames: Frame[] | undefined;
  #bytes = 0;

  push(frame: Frame): void {
    (this.#frames ??= []).push(frame);
    this.#bytes += frame.bytes;
  }

  next(): Frame | undefined {
    const frame = this.#frames?.shift();
    this.#bytes -= frame?.bytes ?? 0;
    if (frame === undefined) this.#frames = undefined;
    return frame;
  }

  clear(): void {
    this.#frames = undefined;
    this.#bytes = 0;
  }

  /** True where the socket should not be read for now. Before anybody is signed in, one frame at a time is enough. */
  isFull(signedIn: boolean): boolean {
    return (this.#frames?.length ?? 0) >= (signedIn ? mostFrames : 1) || this.#bytes > mostBytes;
  }
}
