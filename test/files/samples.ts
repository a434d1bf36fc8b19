// Owns bytes of files for tests: small pictures, a PDF with one line, multipart bodies. Must hold no expectation.
import { crc32, deflateSync } from "node:zlib";

const chunk = (type: string, data: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
};

/** A PNG whose header says this size; its points are those of one row. */
export function png(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const points = Buffer.alloc(Math.min(height, 64) * (1 + Math.min(width, 64) * 3), 90);
  for (let row = 0; row < Math.min(height, 64); row++) points[row * (1 + Math.min(width, 64) * 3)] = 0;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(points)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** One page that says `words`. */
export function pdf(words: string): Buffer {
  const stream = `BT /F1 24 Tf 72 700 Td (${words}) Tj ET`;
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  ];
  let text = "%PDF-1.4\n";
  const places = objects.map((body, i) => {
    const place = text.length;
    text += `${i + 1} 0 obj\n${body}\nendobj\n`;
    return place;
  });
  const table = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  const end = `xref\n0 6\n0000000000 65535 f \n${table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`;
  return Buffer.from(text + end, "latin1");
}

/** A multipart body of one file, as a browser makes it. */
export const bodyOf = (
  name: string,
  bytes: Uint8Array<ArrayBuffer> | string,
  type = "application/octet-stream",
): FormData => {
  const form = new FormData();
  form.append("file", new Blob([bytes], { type }), name);
  return form;
};

/** The beginning of a request that sends a file of so many bytes, by hand: what is behind it is the file. */
export function requestHead(token: string, name: string, bytes: number): { head: string; tail: string } {
  const before = `--edge\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
  const tail = "\r\n--edge--\r\n";
  const length = Buffer.byteLength(before) + bytes + tail.length;
  const head = [
    "POST /api/v1/files HTTP/1.1",
    "Host: localhost",
    `Authorization: Bearer ${token}`,
    "Content-Type: multipart/form-data; boundary=edge",
    `Content-Length: ${length}`,
    "",
    before,
  ].join("\r\n");
  return { head, tail };
}
