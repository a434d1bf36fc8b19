// Owns the numbers that bound what may cross the wire; must not hold policy about people (rates, quotas).

/** Sizes in bytes, characters (UTF-16 units) or counts, as named. */
export type Limits = {
  /** Largest text frame, in bytes, after authentication. */
  readonly frameBytes: number;
  /** Largest first frame (`auth`), in bytes. */
  readonly authBytes: number;
  /** Deepest nesting of objects and arrays in a frame. */
  readonly depth: number;
  /** Most keys and array items in one frame, together. */
  readonly nodes: number;
  /** Longest text of one part of a sent message, in characters. */
  readonly textLength: number;
  /** Longest title, in characters. */
  readonly titleLength: number;
  /** Most parts of one sent message. */
  readonly parts: number;
  /** Most conversations that `auth` may open at once, and that one socket may have open. */
  readonly openConversations: number;
  /** Most different reactions on one message. */
  readonly reactions: number;
  /** Largest file, in bytes. */
  readonly fileBytes: number;
  /** Most points of a picture, and most along one side. */
  readonly pictureArea: number;
  readonly pictureSide: number;
};

/** Apart from the others, so that a client's bundle holds no more. */
export const defaultFrameBytes = 256 * 1024;

/** What applies unless an operator says otherwise; the client learns them from the ack of `auth`. */
export const defaultLimits: Limits = {
  frameBytes: defaultFrameBytes,
  authBytes: 16 * 1024,
  depth: 32,
  nodes: 10_000,
  textLength: 131_072,
  titleLength: 200,
  parts: 32,
  openConversations: 256,
  reactions: 20,
  fileBytes: 104_857_600,
  pictureArea: 120_000_000,
  pictureSide: 20_000,
};
