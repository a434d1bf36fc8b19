// Owns what a file is, told by its bytes alone, and what of it is accepted. It reads no file and trusts no sender.
import { fileTypeFromBuffer } from "file-type";
import { disableTypes, imageSize } from "image-size";
import { reject, type Limits, type Rejection } from "../protocol/index.ts";

/** Pictures that browsers show and models see: all of them rasters. */
export const pictures: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const pdf = "application/pdf";
/** What a text is called by the ending of its name: a label among texts, all of which are served as attachments. */
const textTypes: Readonly<Record<string, string>> = {
  md: "text/markdown",
  markdown: "text/markdown",
  csv: "text/csv",
  json: "application/json",
};
/** Only the readers of what is accepted: none else ever sees a byte. */
disableTypes([
  "bmp",
  "cur",
  "dds",
  "heif",
  "icns",
  "ico",
  "j2c",
  "jp2",
  "jxl",
  "jxl-stream",
  "ktx",
  "pnm",
  "psd",
  "svg",
  "tga",
  "tiff",
]);

/** Bytes of a file's beginning that are kept to tell what it is; a JPEG may say its size behind much else. */
const headLength = 256 * 1024;
/** Controls that no text has: all but tab, line feed, form feed, carriage return and escape. */
const isControl = (code: number): boolean =>
  code < 32 && code !== 9 && code !== 10 && code !== 12 && code !== 13 && code !== 27;

/** Looks at a file as it comes. */
export type Inspector = {
  add(bytes: Uint8Array): void;
  /** What it is, or why it is not accepted. `name`: cleaned. */
  finish(name: string): Promise<string | Rejection>;
};

/** `seesPictures`: a model here does. Where none does they are not accepted, rather than left out later. */
export function createInspector(limits: Pick<Limits, "pictureArea" | "pictureSide">, seesPictures: boolean): Inspector {
  // One piece of memory: a beginning that comes byte by byte takes no more of it than one that comes at once.
  const head = Buffer.allocUnsafe(headLength);
  let kept = 0;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let isText = true;

  const lookAt = (bytes: Uint8Array | undefined): void => {
    try {
      const text = decoder.decode(bytes, { stream: bytes !== undefined });
      for (let i = 0; i < text.length && isText; i++) isText = !isControl(text.charCodeAt(i));
    } catch {
      // No UTF-8.
      isText = false;
    }
  };

  return {
    add(bytes) {
      if (kept < headLength) {
        const part = bytes.subarray(0, headLength - kept);
        head.set(part, kept);
        kept += part.length;
      }
      if (isText) lookAt(bytes);
    },
    async finish(name) {
      if (isText) lookAt(undefined);
      const bytes = head.subarray(0, kept);
      const type = await sniff(bytes);
      if (type === pdf) return pdf;
      if (type !== undefined && !seesPictures) {
        const detail = "The model that answers here does not see pictures. Accepted are PDF, and text in UTF-8.";
        return reject("unsupported_media", { field: "file", detail });
      }
      if (type !== undefined) return sizeProblem(bytes, limits) ?? type;
      if (!isText) {
        const detail = `This kind of file is not accepted. Accepted are ${seesPictures ? pictureNames : ""}PDF, and text in UTF-8.`;
        return reject("unsupported_media", { field: "file", detail });
      }
      const ending = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
      return textTypes[ending] ?? "text/plain";
    },
  };
}

const pictureNames = "pictures (PNG, JPEG, GIF, WebP), ";

/** The type of a picture or a PDF; undefined: anything else. */
async function sniff(bytes: Uint8Array): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(bytes).catch(() => undefined);
  // A PNG that moves is a PNG to whoever shows it.
  const type = found?.mime === "image/apng" ? "image/png" : found?.mime;
  return type !== undefined && (pictures.has(type) || type === pdf) ? type : undefined;
}

/** A picture is as large as its header says, before anybody unpacks it (FI06). */
function sizeProblem(bytes: Uint8Array, limits: Pick<Limits, "pictureArea" | "pictureSide">): Rejection | undefined {
  const size = sizeOf(bytes);
  if (size === undefined || size.width < 1 || size.height < 1) {
    return reject("unsupported_media", { field: "file", detail: "This picture is damaged." });
  }
  const { width, height } = size;
  if (Math.max(width, height) <= limits.pictureSide && width * height <= limits.pictureArea) return undefined;
  const most = `${limits.pictureSide} points a side and ${Math.floor(limits.pictureArea / 1_000_000)} million in all`;
  return reject("too_large", {
    field: "file",
    detail: `This picture has ${width} × ${height} points; ${most} are the limit.`,
  });
}

function sizeOf(bytes: Uint8Array): { width: number; height: number } | undefined {
  try {
    return imageSize(bytes);
  } catch {
    return undefined;
  }
}
