// Owns the small picture of a file, made in the browser. What is no picture has none.

/** Pictures that the server takes as such. */
export const pictureTypes: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const side = 96;

/** A `blob:` URL of the picture, small; undefined: the browser cannot read it. */
export async function thumbnailOf(file: Blob): Promise<string | undefined> {
  if (!pictureTypes.has(file.type)) return undefined;
  try {
    const picture = await createImageBitmap(file, { resizeWidth: side, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d")?.drawImage(picture, 0, 0);
    picture.close();
    const small = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    return small === null ? undefined : URL.createObjectURL(small);
  } catch {
    // Damaged, or too large to be drawn: it is shown by its name.
    return undefined;
  }
}
