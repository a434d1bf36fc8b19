// Owns the frames of one socket that wait for their turn, and when they are too many (SO6). It reads none of them.

/** A text frame and its size in bytes. */
type Frame = { readonly text: string; readonly bytes: number };

export type Inbox = {
  push(frame: Frame): void;
  next(): Frame | undefined;
  clear(): void;
  /** True where the socket should not be read for now. Before anybody is signed in, one frame at a time is enough. */
  isFull(signedIn: boolean): boolean;
};

/** Frames, and bytes of them, that wait before the socket is no longer read. */
const mostFrames = 64;
const mostBytes = 512 * 1024;

export function createInbox(): Inbox {
  const frames: Frame[] = [];
  let bytes = 0;
  return {
    push(frame) {
      frames.push(frame);
      bytes += frame.bytes;
    },
    next() {
      const frame = frames.shift();
      bytes -= frame?.bytes ?? 0;
      return frame;
    },
    clear() {
      frames.length = 0;
      bytes = 0;
    },
    isFull: (signedIn) => frames.length >= (signedIn ? mostFrames : 1) || bytes > mostBytes,
  };
}
